// A row of HIDDEN values held by one warp, and LayerNorm over it, both ways.
//
// A lane holds CHUNKS pieces of VECTOR neighbouring columns; piece c begins at column (32 c + lane) VECTOR. Pieces past
// the end hold zeros and are left out of every sum.

#define VECTOR (HIDDEN % 256 == 0 ? 8 : HIDDEN % 128 == 0 ? 4 : HIDDEN % 8 == 0 ? 8 : 1)
#define CHUNKS ((HIDDEN / VECTOR + WARP - 1) / WARP)
#define HELD (CHUNKS * VECTOR)
// Warps of a block that sums over rows: its shared memory is [NORM_WARPS, HIDDEN] floats.
#define NORM_WARPS (HIDDEN <= 1024 ? 8 : 4)

DEVICE int column(int chunk) { return (chunk * WARP + (int)(threadIdx.x % WARP)) * VECTOR; }

template <class T> DEVICE void load_row(const T* row, float* x) {
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; ++chunk) {
        if (column(chunk) < HIDDEN) {
            load<VECTOR>(row + column(chunk), x + chunk * VECTOR);
        } else {
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) x[chunk * VECTOR + i] = 0.0f;
        }
    }
}

template <class T> DEVICE void store_row(T* row, const float* x) {
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; ++chunk)
        if (column(chunk) < HIDDEN) store<VECTOR>(row + column(chunk), x + chunk * VECTOR);
}

DEVICE void clear_row(float* x) {
#pragma unroll
    for (int i = 0; i < HELD; ++i) x[i] = 0.0f;
}

// Multiplies a row by the mask of hidden states: index `token · HIDDEN + column` within the step.
DEVICE void drop_row(const Step* step, const Dropout& dropout, u64 token, float* x) {
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; ++chunk)
        if (column(chunk) < HIDDEN)
            drop<VECTOR>(step, dropout, (step->first_token + token) * HIDDEN + column(chunk), x + chunk * VECTOR);
}

DEVICE float row_sum(const float* x) {
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < HELD; ++i) sum += x[i];
    return warp_sum(sum);
}

// Mean and 1 / sqrt(variance + epsilon); the variance is the biased one, of centred values.
DEVICE void statistics(const float* x, float epsilon, float& mean, float& scale) {
    mean = row_sum(x) / HIDDEN;
    float squares = 0.0f;
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; ++chunk)
        if (column(chunk) < HIDDEN)
#pragma unroll
            for (int i = 0; i < VECTOR; ++i) {
                float centred = x[chunk * VECTOR + i] - mean;
                squares += centred * centred;
            }
    scale = 1.0f / sqrtf(warp_sum(squares) / HIDDEN + epsilon);
}

// y = (x - mean) scale gamma + beta.
DEVICE void normalise(const float* x, float mean, float scale, const float* gamma, const float* beta, float* y) {
    float factor[HELD], summand[HELD];
    load_row(gamma, factor);
    load_row(beta, summand);
#pragma unroll
    for (int i = 0; i < HELD; ++i) y[i] = (x[i] - mean) * scale * factor[i] + summand[i];
}

// From dy: dx = scale (g - mean(g) - x̂ mean(g x̂)) with g = dy gamma and x̂ = (x - mean) scale; `x` becomes x̂.
DEVICE void normalise_backward(const float* dy, float mean, float scale, const float* gamma, float* x, float* dx) {
    float factor[HELD], plain = 0.0f, along = 0.0f;
    load_row(gamma, factor);
#pragma unroll
    for (int i = 0; i < HELD; ++i) {
        x[i] = (x[i] - mean) * scale;
        dx[i] = dy[i] * factor[i];
        plain += dx[i];
        along += dx[i] * x[i]; // past the end dx is 0
    }
    plain = warp_sum(plain) / HIDDEN;
    along = warp_sum(along) / HIDDEN;
#pragma unroll
    for (int i = 0; i < HELD; ++i) dx[i] = scale * (dx[i] - plain - x[i] * along);
}

// Sums a vector over the block's warps, in their order, into HIDDEN values of device memory.
DEVICE void sum_over_warps(const float* x, float* shared, float* to) {
    int warp = threadIdx.x / WARP;
    store_row(shared + warp * HIDDEN, x);
    __syncthreads();
    for (int at = threadIdx.x; at < HIDDEN; at += NORM_WARPS * WARP) {
        float sum = 0.0f;
#pragma unroll
        for (int other = 0; other < NORM_WARPS; ++other) sum += shared[other * HIDDEN + at];
        to[at] = sum;
    }
    __syncthreads();
}
