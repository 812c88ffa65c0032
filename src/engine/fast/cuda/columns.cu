// Sums over rows, in two stages: gradients of biases and of LayerNorm's vectors.
//
// Grid: `column_partials`, a block owns 32 VALUES columns and a stretch of rows (blockIdx.y), 8 rows at a time; every
// value is read once. `add_partials`, a block owns 32 columns of one of up to three vectors and adds the partial sums of
// all stretches in order, 16 lanes of them and then the lanes. The order never depends on timing.

#define VALUES 4
#define LANES 8

// x [rows, columns] → partials [gridDim.y][columns]. Columns are a multiple of VALUES.
KERNEL(LANES* WARP) column_partials(const real* x, float* partials, u32 rows, u32 columns) {
    SHARED(float, shared); // [LANES, 32 VALUES]
    u32 lane = threadIdx.x / WARP, at = (blockIdx.x * WARP + threadIdx.x % WARP) * VALUES;
    float sums[VALUES] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (at < columns)
        for (u32 row = blockIdx.y * LANES + lane; row < rows; row += gridDim.y * LANES) {
            float values[VALUES];
            load<VALUES>(x + (u64)row * columns + at, values);
#pragma unroll
            for (int i = 0; i < VALUES; ++i) sums[i] += values[i];
        }
#pragma unroll
    for (int i = 0; i < VALUES; ++i) shared[(lane * WARP + threadIdx.x % WARP) * VALUES + i] = sums[i];
    __syncthreads();
    u32 first = blockIdx.x * WARP * VALUES;
    for (u32 column = threadIdx.x; column < WARP * VALUES; column += LANES * WARP) {
        if (first + column >= columns) continue;
        float sum = 0.0f;
#pragma unroll
        for (u32 other = 0; other < LANES; ++other) sum += shared[other * WARP * VALUES + column];
        partials[(u64)blockIdx.y * columns + first + column] = sum;
    }
}

#define DEPTH 16

// Adds partials [blocks][vectors][columns] to `vectors` gradients of `columns` values; blockIdx.y is the vector.
KERNEL(DEPTH* WARP)
add_partials(const float* partials, u32 blocks, u32 columns, float* first, float* second, float* third) {
    SHARED(float, shared); // [DEPTH, 32]
    u32 depth = threadIdx.x / WARP, at = blockIdx.x * WARP + threadIdx.x % WARP;
    float own = 0.0f;
    if (at < columns)
        for (u32 block = depth; block < blocks; block += DEPTH)
            own += partials[((u64)block * gridDim.y + blockIdx.y) * columns + at];
    shared[threadIdx.x] = own;
    __syncthreads();
    if (depth > 0 || at >= columns) return;
    float sum = 0.0f;
#pragma unroll
    for (int other = 0; other < DEPTH; ++other) sum += shared[other * WARP + threadIdx.x];
    float* gradient = blockIdx.y == 0 ? first : blockIdx.y == 1 ? second : third;
    gradient[at] += sum;
}
