// The global norm of the gradients, and the factor that clips it: min(1, max / (norm + 1e-6)), or 1 where max is 0.
//
// Grid: `squares`, at most 512 blocks, each summing its stretch of the buffer in 64-bit floats, thread by thread and then
// over the block in a fixed tree; `clip_factor`, one block that adds the blocks' sums in order. Every gradient is read
// once.

#define THREADS 256

DEVICE double block_sum(double own) {
    SHARED(double, sums);
    sums[threadIdx.x] = own;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    return sums[0];
}

KERNEL(THREADS) squares(const float* gradients, double* partials, u32 quads) {
    double own = 0.0;
    for (u32 quad = blockIdx.x * THREADS + threadIdx.x; quad < quads; quad += gridDim.x * THREADS) {
        float g[4];
        load<4>(gradients + (u64)quad * 4, g);
#pragma unroll
        for (int i = 0; i < 4; ++i) own += (double)g[i] * (double)g[i];
    }
    double sum = block_sum(own);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

KERNEL(THREADS) clip_factor(const double* partials, u32 blocks, const double* max_grad_norm, double* norm, float* clip) {
    double own = 0.0;
    for (u32 block = threadIdx.x; block < blocks; block += THREADS) own += partials[block];
    double total = sqrt(block_sum(own));
    if (threadIdx.x > 0) return;
    double limit = *max_grad_norm, factor = limit / (total + 1e-6);
    *norm = total;
    *clip = limit > 0.0 && factor < 1.0 ? (float)factor : 1.0f;
}
