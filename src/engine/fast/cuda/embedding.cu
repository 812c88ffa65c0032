// Embeddings: y = dropout(LayerNorm(word + segment + position)), and back to the three tables.
//
// Grid: forward, one warp owns a token, 4 a block; each table row is read where it is used. Backward in three steps, none
// with atomics: `embedding_backward` walks the tokens as layer_norm.cu does and leaves the gradient of each token's sum;
// `word_gradients` gives each distinct word id to one block for 32 columns, at most 1024 words at a time, its tokens (sorted by id on the host, in
// their order) over 8 lanes that are then added in order; `position_gradients` the same for each position, over the
// sequences; segments are summed by `segment_partials` over stretches of tokens, which columns.cu adds in order.

KERNEL(128) embedding_forward(const float* words, const float* segments, const float* positions, const float* gamma,
                              const float* beta, const u32* ids, const u32* types, const u32* places, real* sum, real* y,
                              float* mean, float* scale, const Step* step, u32 rows, u32 site, u32 threshold, float keep,
                              float epsilon) {
    u32 token = blockIdx.x * 4 + threadIdx.x / WARP;
    if (token >= rows) return;
    float values[HELD], other[HELD];
    if (token >= step->tokens) {
        clear_row(values);
        store_row(sum + (u64)token * HIDDEN, values);
        store_row(y + (u64)token * HIDDEN, values);
        return;
    }
    load_row(words + (u64)ids[token] * HIDDEN, values);
    load_row(segments + (u64)types[token] * HIDDEN, other);
#pragma unroll
    for (int i = 0; i < HELD; ++i) values[i] += other[i];
    load_row(positions + (u64)places[token] * HIDDEN, other);
#pragma unroll
    for (int i = 0; i < HELD; ++i) values[i] += other[i];
    store_row(sum + (u64)token * HIDDEN, values);

    float centre, factor;
    statistics(values, epsilon, centre, factor);
    normalise(values, centre, factor, gamma, beta, other);
    Dropout dropout = {site, threshold, keep};
    drop_row(step, dropout, token, other);
    store_row(y + (u64)token * HIDDEN, other);
    if (threadIdx.x % WARP == 0) mean[token] = centre, scale[token] = factor;
}

// dy [tokens] → d_sum [tokens], partials [gridDim.x][2: gamma, beta][HIDDEN].
KERNEL(NORM_WARPS * WARP)
embedding_backward(const real* dy, const real* sum, const float* mean, const float* scale, const float* gamma, real* d_sum,
                   float* partials, const Step* step, u32 site, u32 threshold, float keep) {
    SHARED(float, shared);
    float d_gamma[HELD], d_beta[HELD];
    clear_row(d_gamma), clear_row(d_beta);
    Dropout dropout = {site, threshold, keep};
    u32 stride = gridDim.x * NORM_WARPS;
    for (u32 token = blockIdx.x * NORM_WARPS + threadIdx.x / WARP; token < step->tokens; token += stride) {
        float above[HELD], x[HELD], below[HELD];
        load_row(dy + (u64)token * HIDDEN, above);
        drop_row(step, dropout, token, above);
        load_row(sum + (u64)token * HIDDEN, x);
        normalise_backward(above, mean[token], scale[token], gamma, x, below);
        store_row(d_sum + (u64)token * HIDDEN, below);
#pragma unroll
        for (int i = 0; i < HELD; ++i) d_gamma[i] += above[i] * x[i], d_beta[i] += above[i];
    }
    float* own = partials + (u64)blockIdx.x * 2 * HIDDEN;
    sum_over_warps(d_gamma, shared, own);
    sum_over_warps(d_beta, shared, own + HIDDEN);
}

#define LANES 8

// Adds the 8 lanes' sums of a column, in order, to a gradient.
DEVICE void add_lanes(float own, float* gradient, u32 at) {
    SHARED(float, lanes); // [LANES, 32]
    lanes[threadIdx.x] = own;
    __syncthreads();
    if (threadIdx.x < WARP && at < HIDDEN) {
        float sum = 0.0f;
#pragma unroll
        for (int lane = 0; lane < LANES; ++lane) sum += lanes[lane * WARP + threadIdx.x];
        gradient[at] += sum;
    }
}

KERNEL(LANES* WARP)
word_gradients(const real* d_sum, const u32* order, const u32* starts, const u32* ids, float* gradients,
               const Step* step) {
    u32 at = blockIdx.y * WARP + threadIdx.x % WARP;
    for (u32 word = blockIdx.x; word < step->words; word += gridDim.x) {
        float own = 0.0f;
        if (at < HIDDEN)
            for (u32 entry = starts[word] + threadIdx.x / WARP; entry < starts[word + 1]; entry += LANES)
                own += widen(d_sum[(u64)order[entry] * HIDDEN + at]);
        add_lanes(own, gradients + (u64)ids[word] * HIDDEN, at);
        __syncthreads(); // before the lanes' sums are overwritten
    }
}

KERNEL(LANES* WARP)
position_gradients(const real* d_sum, const u32* cumulative, float* gradients, const Step* step) {
    u32 position = blockIdx.x, at = blockIdx.y * WARP + threadIdx.x % WARP;
    float own = 0.0f;
    if (at < HIDDEN)
        for (u32 sequence = threadIdx.x / WARP; sequence < step->sequences; sequence += LANES) {
            u32 token = cumulative[sequence] + position;
            if (token < cumulative[sequence + 1]) own += widen(d_sum[(u64)token * HIDDEN + at]);
        }
    add_lanes(own, gradients + (u64)position * HIDDEN, at);
}

// partials [gridDim.x][segments][HIDDEN] of a stretch of tokens; a thread owns a column, blockIdx.y is a segment and a
// strip of 128 columns.
KERNEL(128) segment_partials(const real* d_sum, const u32* types, float* partials, const Step* step, u32 segments) {
    u32 each = (step->tokens + gridDim.x - 1) / gridDim.x, first = blockIdx.x * each;
    u32 last = first + each < step->tokens ? first + each : step->tokens;
    u32 segment = blockIdx.y % segments, at = blockIdx.y / segments * 128 + threadIdx.x;
    if (at >= HIDDEN) return;
    float sum = 0.0f;
#pragma unroll 4
    for (u32 token = first; token < last; ++token) {
        float value = widen(d_sum[(u64)token * HIDDEN + at]);
        sum += types[token] == segment ? value : 0.0f;
    }
    partials[((u64)blockIdx.x * segments + segment) * HIDDEN + at] = sum;
}
