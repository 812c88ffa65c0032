// Tensor core products of bfloat16 with 32-bit sums, and loads of their operands from shared memory.
//
// mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): lane = 4 g + t. Of A [16, 16] a lane holds rows g, g + 8 and
// columns 2t, 2t + 1 and those + 8; of B [16, 8] rows 2t, 2t + 1 and those + 8 of column g; of the sum [16, 8] rows g,
// g + 8 and columns 2t, 2t + 1. So two neighbouring sums, packed, are one A operand of the next product.
//
// Tiles lie in shared memory row-major with rows of `stride` values, HEAD + 8: the 8 rows that one ldmatrix reads at once
// begin in 8 different groups of four banks.

#ifndef REPRO_EMULATED
// sum += a b.
DEVICE void mma(float* sum, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%0,%1,%2,%3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four 8 x 8 matrices; lane i gives the address of row i % 8 of matrix i / 8. Each lane gets, of every matrix, columns
// 2t, 2t + 1 of row g, or, transposed, rows 2t, 2t + 1 of column g.
DEVICE void ldmatrix(u32* to, const u16* row) {
    u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}
DEVICE void ldmatrix_transposed(u32* to, const u16* row) {
    u32 address = (u32)__cvta_generic_to_shared(row);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(address)
                 : "memory");
}
#endif

// A [16, 16] from a tile [m][k].
DEVICE void load_a(u32* a, const u16* tile, int stride) {
    int lane = threadIdx.x % WARP;
    ldmatrix(a, tile + (lane & 15) * stride + (lane >> 4) * 8);
}

// B [16, 16], two operands of 8 columns, from a tile [n][k].
DEVICE void load_b(u32* b, const u16* tile, int stride) {
    int lane = threadIdx.x % WARP;
    ldmatrix(b, tile + ((lane & 7) + (lane >> 4) * 8) * stride + ((lane >> 3) & 1) * 8);
}

// B [16, 16], two operands of 8 columns, from a tile [k][n].
DEVICE void load_b_transposed(u32* b, const u16* tile, int stride) {
    int lane = threadIdx.x % WARP;
    ldmatrix_transposed(b, tile + (lane & 15) * stride + (lane >> 4) * 8);
}

// The A operand made of two neighbouring sums.
DEVICE void as_a(u32* a, const float* left, const float* right) {
    a[0] = pack(left[0], left[1]);
    a[1] = pack(left[2], left[3]);
    a[2] = pack(right[0], right[1]);
    a[3] = pack(right[2], right[3]);
}
