// The activation of the feed-forward block: y = f(x + bias), and back. f is GELU by erf (0) or tanh (1), or ReLU (2).
//
//   erf:  x/2 (1 + erf(x/√2)),                      f' = (1 + erf(x/√2))/2 + x φ(x)
//   tanh: x/2 (1 + tanh(√(2/π)(x + 0.044715 x³))),  f' = (1 + t)/2 + x/2 (1 - t²) √(2/π)(1 + 3 · 0.044715 x²)
//
// cuBLASLt's epilogue has only the tanh form, and most checkpoints want erf. Grid: a block owns 32 PIECE columns of a
// stretch of rows (blockIdx.y), 8 rows at a time; x is read without its bias both times and never written again.
// Backward also sums its columns: partials [gridDim.y][WIDE] are the bias gradient's, added in order by columns.cu.

#define PIECE (WIDE % 8 == 0 ? 8 : WIDE % 4 == 0 ? 4 : 1)
#define LANES 8

DEVICE float activate(float x) {
    if (ACTIVATION == 0) return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    if (ACTIVATION == 1) return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    return fmaxf(x, 0.0f);
}

DEVICE float slope(float x) {
    if (ACTIVATION == 0)
        return 0.5f * (1.0f + erff(x * 0.70710678118654752f)) + x * 0.39894228040143268f * expf(-0.5f * x * x);
    if (ACTIVATION == 1) {
        float t = tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x));
        float inner = 0.79788456080286536f * (1.0f + 3.0f * 0.044715f * x * x);
        return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * inner;
    }
    return x > 0.0f ? 1.0f : 0.0f;
}

KERNEL(LANES* WARP) activation_forward(const real* x, const float* bias, real* y, u32 rows) {
    u32 at = (blockIdx.x * WARP + threadIdx.x % WARP) * PIECE;
    if (at >= WIDE) return;
    float shift[PIECE], values[PIECE];
    load<PIECE>(bias + at, shift);
    for (u32 row = blockIdx.y * LANES + threadIdx.x / WARP; row < rows; row += gridDim.y * LANES) {
        load<PIECE>(x + (u64)row * WIDE + at, values);
#pragma unroll
        for (int i = 0; i < PIECE; ++i) values[i] = activate(values[i] + shift[i]);
        store<PIECE>(y + (u64)row * WIDE + at, values);
    }
}

// dy becomes dx, in place.
KERNEL(LANES* WARP) activation_backward(real* dy, const real* x, const float* bias, float* partials, u32 rows) {
    SHARED(float, shared); // [LANES, 32 PIECE]
    u32 lane = threadIdx.x / WARP, at = (blockIdx.x * WARP + threadIdx.x % WARP) * PIECE;
    float shift[PIECE], values[PIECE], above[PIECE], sums[PIECE];
#pragma unroll
    for (int i = 0; i < PIECE; ++i) sums[i] = 0.0f;
    if (at < WIDE) {
        load<PIECE>(bias + at, shift);
        for (u32 row = blockIdx.y * LANES + lane; row < rows; row += gridDim.y * LANES) {
            load<PIECE>(x + (u64)row * WIDE + at, values);
            load<PIECE>(dy + (u64)row * WIDE + at, above);
#pragma unroll
            for (int i = 0; i < PIECE; ++i) above[i] *= slope(values[i] + shift[i]), sums[i] += above[i];
            store<PIECE>(dy + (u64)row * WIDE + at, above);
        }
    }
#pragma unroll
    for (int i = 0; i < PIECE; ++i) shared[(lane * WARP + threadIdx.x % WARP) * PIECE + i] = sums[i];
    __syncthreads();
    u32 first = blockIdx.x * WARP * PIECE;
    for (u32 column = threadIdx.x; column < WARP * PIECE; column += LANES * WARP) {
        if (first + column >= WIDE) continue;
        float sum = 0.0f;
#pragma unroll
        for (u32 other = 0; other < LANES; ++other) sum += shared[other * WARP * PIECE + column];
        partials[(u64)blockIdx.y * WIDE + first + column] = sum;
    }
}
