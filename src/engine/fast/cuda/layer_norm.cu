// What ends each half of a layer: y = LayerNorm(dropout(x + bias) + residual), and back.
//
// Grid: one warp owns a row. Forward, 4 rows a block, every row read and written once. Backward, up to 128 blocks walk
// the rows in strides, so that a lane sums the gradients of bias, gamma and beta for its columns in registers; each
// block then writes [3, HIDDEN] partial sums, and columns.cu adds them in block order: no atomics, the same bytes always.
//
// In the last layer of a model that reads only each sequence's first token, row r belongs to the token cumulative[r]
// (`rows_are` SEQUENCES, or GATHERED where residual and d_residual are still indexed by token). Rows past the last one
// are filled with zeros, so that matrix products over rounded row counts add nothing.

#define TOKENS 0
#define GATHERED 1
#define SEQUENCES 2

DEVICE u32 row_count(const Step* step, u32 rows_are) { return rows_are == TOKENS ? step->tokens : step->sequences; }

DEVICE u32 token_of(u32 row, const u32* cumulative, u32 rows_are) { return rows_are == TOKENS ? row : cumulative[row]; }

KERNEL(128) residual_norm_forward(const real* x, const float* bias, const real* residual, const float* gamma,
                                  const float* beta, real* sum, real* y, float* mean, float* scale, const Step* step,
                                  const u32* cumulative, u32 rows, u32 rows_are, u32 site, u32 threshold, float keep,
                                  float epsilon) {
    u32 row = blockIdx.x * 4 + threadIdx.x / WARP;
    if (row >= rows) return;
    float values[HELD], other[HELD];
    if (row >= row_count(step, rows_are)) {
        clear_row(values);
        store_row(sum + (u64)row * HIDDEN, values);
        store_row(y + (u64)row * HIDDEN, values);
        return;
    }
    u32 token = token_of(row, cumulative, rows_are);
    Dropout dropout = {site, threshold, keep};
    load_row(x + (u64)row * HIDDEN, values);
    load_row(bias, other);
#pragma unroll
    for (int i = 0; i < HELD; ++i) values[i] += other[i];
    drop_row(step, dropout, token, values);
    load_row(residual + (u64)(rows_are == GATHERED ? token : row) * HIDDEN, other);
#pragma unroll
    for (int i = 0; i < HELD; ++i) values[i] += other[i];
    store_row(sum + (u64)row * HIDDEN, values);

    float centre, factor;
    statistics(values, epsilon, centre, factor);
    normalise(values, centre, factor, gamma, beta, other);
    store_row(y + (u64)row * HIDDEN, other);
    if (threadIdx.x % WARP == 0) mean[row] = centre, scale[row] = factor;
}

// dy [rows] → dx [rows], d_residual [tokens], partials [gridDim.x][3: gamma, beta, bias][HIDDEN].
KERNEL(NORM_WARPS * WARP)
residual_norm_backward(const real* dy, const real* sum, const float* mean, const float* scale, const float* gamma,
                       real* dx, real* d_residual, float* partials, const Step* step, const u32* cumulative, u32 rows,
                       u32 rows_are, u32 site, u32 threshold, float keep) {
    SHARED(float, shared);
    float d_gamma[HELD], d_beta[HELD], d_bias[HELD];
    clear_row(d_gamma), clear_row(d_beta), clear_row(d_bias);
    Dropout dropout = {site, threshold, keep};
    for (u32 row = blockIdx.x * NORM_WARPS + threadIdx.x / WARP; row < rows; row += gridDim.x * NORM_WARPS) {
        float above[HELD], x[HELD], below[HELD];
        if (row >= row_count(step, rows_are)) {
            clear_row(below);
            store_row(dx + (u64)row * HIDDEN, below);
            if (rows_are != GATHERED) store_row(d_residual + (u64)row * HIDDEN, below);
            continue;
        }
        u32 token = token_of(row, cumulative, rows_are);
        load_row(dy + (u64)row * HIDDEN, above);
        load_row(sum + (u64)row * HIDDEN, x);
        normalise_backward(above, mean[row], scale[row], gamma, x, below);
        store_row(d_residual + (u64)(rows_are == GATHERED ? token : row) * HIDDEN, below);
        drop_row(step, dropout, token, below);
        store_row(dx + (u64)row * HIDDEN, below);
#pragma unroll
        for (int i = 0; i < HELD; ++i) d_gamma[i] += above[i] * x[i], d_beta[i] += above[i], d_bias[i] += below[i];
    }
    float* own = partials + (u64)blockIdx.x * 3 * HIDDEN;
    sum_over_warps(d_gamma, shared, own);
    sum_over_warps(d_beta, shared, own + HIDDEN);
    sum_over_warps(d_bias, shared, own + 2 * HIDDEN);
}
