// Heads and losses, both ways. Only rows that exist are computed: one per sequence, or a sequence's own tokens.
//
// Sequence heads: pooled = tanh(z), z the pooler's product with its bias; logits = dropout(pooled) Wᵀ + b; cross entropy
// of a class, or (logit - value)² where the target is a number. Span heads: logits [T, 2] = y Wᵀ + b, and the mean of the
// start's and the end's cross entropy over the sequence's own tokens. Losses and d_logits are divided by the sequences of
// the whole step.
//
// Grid: one warp owns a sequence (classify_*, span_loss) or a token (span_logits, span_backward); the classifier's
// gradients have a thread for each value, which goes through the sequences in order; the span head's are summed over
// stretches of tokens, added in order by columns.cu. `sum_losses` is one block, in 64-bit floats.

#define NO_TARGET 0
#define CLASS 1
#define VALUE 2

// z [B, H] → pooled [B, H], logits [B, LABELS], losses [B], d_logits [B, LABELS]. Rows past B are left alone.
KERNEL(32) classify_forward(const real* z, const float* weight, const float* bias, const u32* targets, float* pooled,
                            float* logits, float* losses, float* d_logits, const Step* step, u32 kind, u32 site,
                            u32 threshold, float keep) {
    u32 row = blockIdx.x;
    if (row >= step->sequences) return;
    float x[HELD], w[HELD];
    load_row(z + (u64)row * HIDDEN, x);
#pragma unroll
    for (int i = 0; i < HELD; ++i) x[i] = tanhf(x[i]);
    store_row(pooled + (u64)row * HIDDEN, x);
    Dropout dropout = {site, threshold, keep};
#pragma unroll
    for (int chunk = 0; chunk < CHUNKS; ++chunk)
        if (column(chunk) < HIDDEN)
            drop<VECTOR>(step, dropout, (step->first_sequence + row) * HIDDEN + column(chunk), x + chunk * VECTOR);

    float own[LABELS], largest = -infinity();
    for (int label = 0; label < LABELS; ++label) {
        load_row(weight + label * HIDDEN, w);
#pragma unroll
        for (int i = 0; i < HELD; ++i) w[i] *= x[i];
        own[label] = row_sum(w) + bias[label];
        largest = fmaxf(largest, own[label]);
    }
    if (threadIdx.x > 0) return;
    float exponentials = 0.0f;
    for (int label = 0; label < LABELS; ++label) {
        logits[row * LABELS + label] = own[label];
        exponentials += expf(own[label] - largest);
    }
    if (kind == CLASS) {
        u32 wanted = targets[2 * row];
        float log_sum = logf(exponentials);
        for (int label = 0; label < LABELS; ++label) {
            float probability = expf(own[label] - largest - log_sum);
            d_logits[row * LABELS + label] = (probability - (label == wanted ? 1.0f : 0.0f)) * step->loss_scale;
            if (label == wanted) losses[row] = -(own[label] - largest - log_sum);
        }
    } else if (kind == VALUE) {
        float apart = own[0] - __uint_as_float(targets[2 * row]);
        losses[row] = apart * apart;
        d_logits[row * LABELS] = 2.0f * apart * step->loss_scale;
        for (int label = 1; label < LABELS; ++label) d_logits[row * LABELS + label] = 0.0f;
    } else {
        losses[row] = 0.0f;
    }
}

// d_z = (d_logits W) mask (1 - pooled²); rows past B become 0.
KERNEL(32) classify_backward(const float* d_logits, const float* weight, const float* pooled, real* d_z, const Step* step,
                             u32 site, u32 threshold, float keep) {
    u32 row = blockIdx.x;
    float x[HELD], w[HELD];
    clear_row(x);
    if (row < step->sequences) {
        for (int label = 0; label < LABELS; ++label) {
            float factor = d_logits[row * LABELS + label];
            load_row(weight + label * HIDDEN, w);
#pragma unroll
            for (int i = 0; i < HELD; ++i) x[i] += factor * w[i];
        }
        Dropout dropout = {site, threshold, keep};
#pragma unroll
        for (int chunk = 0; chunk < CHUNKS; ++chunk)
            if (column(chunk) < HIDDEN)
                drop<VECTOR>(step, dropout, (step->first_sequence + row) * HIDDEN + column(chunk), x + chunk * VECTOR);
        load_row(pooled + (u64)row * HIDDEN, w);
#pragma unroll
        for (int i = 0; i < HELD; ++i) x[i] *= 1.0f - w[i] * w[i];
    }
    store_row(d_z + (u64)row * HIDDEN, x);
}

// d_weight [LABELS, H] += Σ_b d_logits[b] dropout(pooled)[b]; d_bias [LABELS] += Σ_b d_logits[b]. blockIdx.y is the label.
KERNEL(128) classify_gradients(const float* d_logits, const float* pooled, float* d_weight, float* d_bias,
                               const Step* step, u32 site, u32 threshold, float keep) {
    u32 at = blockIdx.x * 128 + threadIdx.x, label = blockIdx.y;
    if (at >= HIDDEN) return;
    Dropout dropout = {site, threshold, keep};
    float sum = 0.0f, plain = 0.0f;
    for (u32 row = 0; row < step->sequences; ++row) {
        float value[1] = {pooled[(u64)row * HIDDEN + at]};
        drop<1>(step, dropout, (step->first_sequence + row) * HIDDEN + at, value);
        sum += d_logits[row * LABELS + label] * value[0];
        plain += d_logits[row * LABELS + label];
    }
    d_weight[label * HIDDEN + at] += sum;
    if (at == 0) d_bias[label] += plain;
}

// y [T, H] → logits [T, 2].
KERNEL(128) span_logits(const real* y, const float* weight, const float* bias, float* logits, const Step* step) {
    u32 token = blockIdx.x * 4 + threadIdx.x / WARP;
    if (token >= step->tokens) return;
    float x[HELD], w[HELD];
    load_row(y + (u64)token * HIDDEN, x);
    for (int side = 0; side < 2; ++side) {
        load_row(weight + side * HIDDEN, w);
#pragma unroll
        for (int i = 0; i < HELD; ++i) w[i] *= x[i];
        float logit = row_sum(w) + bias[side];
        if (threadIdx.x % WARP == 0) logits[2 * token + side] = logit;
    }
}

// logits [T, 2] → losses [B], d_logits [T, 2].
KERNEL(32) span_loss(const float* logits, const u32* targets, const u32* cumulative, float* losses, float* d_logits,
                     const Step* step) {
    u32 row = blockIdx.x;
    if (row >= step->sequences) return;
    u32 start = cumulative[row], length = cumulative[row + 1] - start;
    float loss = 0.0f;
    for (int side = 0; side < 2; ++side) {
        const float* own = logits + 2 * (u64)start + side;
        float largest = -infinity(), exponentials = 0.0f;
        for (u32 at = threadIdx.x; at < length; at += WARP) largest = fmaxf(largest, own[2 * at]);
        largest = warp_max(largest);
        for (u32 at = threadIdx.x; at < length; at += WARP) exponentials += expf(own[2 * at] - largest);
        float log_sum = logf(warp_sum(exponentials));
        u32 wanted = targets[2 * row + side];
        for (u32 at = threadIdx.x; at < length; at += WARP) {
            float probability = expf(own[2 * at] - largest - log_sum);
            float gradient = 0.5f * (probability - (at == wanted ? 1.0f : 0.0f)) * step->loss_scale;
            d_logits[2 * (u64)start + 2 * at + side] = gradient;
        }
        loss -= 0.5f * (own[2 * wanted] - largest - log_sum);
    }
    if (threadIdx.x == 0) losses[row] = loss;
}

// d_y [T, H] = d_logits W; rows past T become 0.
KERNEL(128) span_backward(const float* d_logits, const float* weight, real* d_y, const Step* step, u32 rows) {
    u32 token = blockIdx.x * 4 + threadIdx.x / WARP;
    if (token >= rows) return;
    float x[HELD], w[HELD];
    clear_row(x);
    if (token < step->tokens)
        for (int side = 0; side < 2; ++side) {
            load_row(weight + side * HIDDEN, w);
#pragma unroll
            for (int i = 0; i < HELD; ++i) x[i] += d_logits[2 * token + side] * w[i];
        }
    store_row(d_y + (u64)token * HIDDEN, x);
}

// partials [gridDim.x][2 H + 2] of a stretch of tokens: both rows of the weight, then both biases. A thread owns a column;
// blockIdx.y is a strip of 128.
KERNEL(128) span_partials(const float* d_logits, const real* y, float* partials, const Step* step) {
    u32 each = (step->tokens + gridDim.x - 1) / gridDim.x, first = blockIdx.x * each;
    u32 last = first + each < step->tokens ? first + each : step->tokens;
    float* own = partials + (u64)blockIdx.x * (2 * HIDDEN + 2);
    u32 at = blockIdx.y * 128 + threadIdx.x;
    if (at < HIDDEN) {
        float start = 0.0f, end = 0.0f;
#pragma unroll 4
        for (u32 token = first; token < last; ++token) {
            float x = widen(y[(u64)token * HIDDEN + at]);
            start += d_logits[2 * token] * x, end += d_logits[2 * token + 1] * x;
        }
        own[at] = start, own[HIDDEN + at] = end;
    }
    if (at < 2) {
        float sum = 0.0f;
        for (u32 token = first; token < last; ++token) sum += d_logits[2 * token + at];
        own[2 * HIDDEN + at] = sum;
    }
}

KERNEL(128) sum_losses(const float* losses, double* total, const Step* step) {
    SHARED(double, sums);
    double own = 0.0;
    for (u32 row = threadIdx.x; row < step->sequences; row += 128) own += losses[row];
    sums[threadIdx.x] = own;
    __syncthreads();
    for (u32 half = 64; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) *total += sums[0];
}
