// Attention as in attention.cu, said plainly: any head size, both precisions; the one that 32-bit floats use.
//
//   s = q kᵀ / √D over the sequence's own keys, p = exp(s - lse), lse = log Σ exp s, context = (mask p) v
//   delta = d_context · context;  ds = p (mask (d_context vᵀ) - delta) / √D;  dq = ds k;  dk = dsᵀ q;  dv = (mask p)ᵀ d_context
//
// Grid: blockIdx.x is an entry of the list of tiles (sequence, first row of 64), blockIdx.y a head; a warp owns a row, a
// query or, for dk and dv, a key, and then the next but three. Its lanes share out the other side for the scores, which
// pass through shared memory, and then the columns of the outcome. Keys and values are read once for each row.

#define TILE 64
#define WIDTH (3 * HIDDEN)

struct Place {
    u32 sequence, start, length, queries, first;
};

DEVICE Place place(const u32* tiles, const u32* cumulative, u32 first_only) {
    Place p;
    p.sequence = tiles[2 * blockIdx.x];
    p.first = tiles[2 * blockIdx.x + 1];
    p.start = cumulative[p.sequence];
    p.length = cumulative[p.sequence + 1] - p.start;
    p.queries = first_only ? 1 : p.length;
    return p;
}

DEVICE u32 query_row(const Place& p, u32 query, u32 first_only) { return first_only ? p.sequence : p.start + query; }

DEVICE float dot(const real* left, const real* right) {
    float sum = 0.0f;
    for (int at = 0; at < HEAD; ++at) sum += widen(left[at]) * widen(right[at]);
    return sum;
}

DEVICE float mask_at(const Step* step, const Dropout& dropout, const Place& p, u32 query, u32 key) {
    float value[1] = {1.0f};
    u64 row = ((step->first_token + p.start + query) * HEADS + blockIdx.y) * POSITIONS;
    drop<1>(step, dropout, row + key, value);
    return value[0];
}

KERNEL(128) plain_attention_forward(const real* qkv, real* context, float* lse, const Step* step, const u32* cumulative,
                                    const u32* tiles, u32 rows, u32 first_only, u32 site, u32 threshold, float keep) {
    if (blockIdx.x >= step->tiles) return;
    Place p = place(tiles, cumulative, first_only);
    SHARED(float, shared); // [4, POSITIONS]
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float* own = shared + warp * POSITIONS;
    Dropout dropout = {site, threshold, keep};
    const real* base = qkv + (u64)p.start * WIDTH + blockIdx.y * HEAD;
    float scale = 1.0f / sqrtf((float)HEAD);
    for (u32 query = p.first + warp; query < p.first + TILE && query < p.queries; query += 4) {
        float largest = -infinity(), total = 0.0f;
        for (u32 key = lane; key < p.length; key += WARP) {
            own[key] = dot(base + (u64)query * WIDTH, base + HIDDEN + (u64)key * WIDTH) * scale;
            largest = fmaxf(largest, own[key]);
        }
        largest = warp_max(largest);
        for (u32 key = lane; key < p.length; key += WARP) {
            float exponential = expf(own[key] - largest);
            total += exponential;
            own[key] = exponential * mask_at(step, dropout, p, query, key);
        }
        total = warp_sum(total);
        __syncwarp();
        u32 row = query_row(p, query, first_only);
        for (u32 at = lane; at < HEAD; at += WARP) {
            float sum = 0.0f;
            for (u32 key = 0; key < p.length; ++key)
                sum += own[key] * widen(base[2 * HIDDEN + (u64)key * WIDTH + at]);
            context[(u64)row * HIDDEN + blockIdx.y * HEAD + at] = narrow(sum / total);
        }
        if (lane == 0) lse[(u64)blockIdx.y * rows + row] = largest + logf(total);
        __syncwarp();
    }
}

KERNEL(128) plain_attention_backward_query(const real* qkv, const real* context, const real* d_context, const float* lse,
                                           float* delta, real* d_qkv, const Step* step, const u32* cumulative,
                                           const u32* tiles, u32 rows, u32 first_only, u32 site, u32 threshold,
                                           float keep) {
    if (blockIdx.x >= step->tiles) return;
    Place p = place(tiles, cumulative, first_only);
    SHARED(float, shared); // [4, POSITIONS]
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float* own = shared + warp * POSITIONS;
    Dropout dropout = {site, threshold, keep};
    const real* base = qkv + (u64)p.start * WIDTH + blockIdx.y * HEAD;
    float scale = 1.0f / sqrtf((float)HEAD);
    for (u32 query = p.first + warp; query < p.first + TILE && query < p.queries; query += 4) {
        u32 row = query_row(p, query, first_only);
        const real* above = d_context + (u64)row * HIDDEN + blockIdx.y * HEAD;
        float across = dot(above, context + (u64)row * HIDDEN + blockIdx.y * HEAD);
        float level = lse[(u64)blockIdx.y * rows + row];
        for (u32 key = lane; key < p.length; key += WARP) {
            float s = dot(base + (u64)query * WIDTH, base + HIDDEN + (u64)key * WIDTH) * scale;
            float product = dot(above, base + 2 * HIDDEN + (u64)key * WIDTH);
            own[key] = expf(s - level) * (mask_at(step, dropout, p, query, key) * product - across) * scale;
        }
        __syncwarp();
        for (u32 at = lane; at < HEAD; at += WARP) {
            float sum = 0.0f;
            for (u32 key = 0; key < p.length; ++key) sum += own[key] * widen(base[HIDDEN + (u64)key * WIDTH + at]);
            d_qkv[(u64)(p.start + query) * WIDTH + blockIdx.y * HEAD + at] = narrow(sum);
        }
        if (lane == 0) delta[(u64)blockIdx.y * rows + row] = across;
        __syncwarp();
    }
}

KERNEL(128) plain_attention_backward_key(const real* qkv, const real* d_context, const float* lse, const float* delta,
                                         real* d_qkv, const Step* step, const u32* cumulative, const u32* tiles, u32 rows,
                                         u32 first_only, u32 site, u32 threshold, float keep) {
    if (blockIdx.x >= step->tiles) return;
    Place p = place(tiles, cumulative, first_only);
    SHARED(float, shared); // [4, 2, POSITIONS]
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    float* weights = shared + warp * 2 * POSITIONS;
    float* gradients = weights + POSITIONS;
    Dropout dropout = {site, threshold, keep};
    const real* base = qkv + (u64)p.start * WIDTH + blockIdx.y * HEAD;
    float scale = 1.0f / sqrtf((float)HEAD);
    for (u32 key = p.first + warp; key < p.first + TILE && key < p.length; key += 4) {
        const real* own_key = base + HIDDEN + (u64)key * WIDTH;
        for (u32 query = lane; query < p.queries; query += WARP) {
            u32 row = query_row(p, query, first_only);
            u64 at = (u64)blockIdx.y * rows + row;
            float probability = expf(dot(base + (u64)query * WIDTH, own_key) * scale - lse[at]);
            float factor = mask_at(step, dropout, p, query, key);
            float product = dot(d_context + (u64)row * HIDDEN + blockIdx.y * HEAD, own_key + HIDDEN);
            weights[query] = probability * factor;
            gradients[query] = probability * (factor * product - delta[at]) * scale;
        }
        __syncwarp();
        for (u32 at = lane; at < HEAD; at += WARP) {
            float d_key = 0.0f, d_value = 0.0f;
            for (u32 query = 0; query < p.queries; ++query) {
                u64 row = query_row(p, query, first_only);
                d_value += weights[query] * widen(d_context[row * HIDDEN + blockIdx.y * HEAD + at]);
                d_key += gradients[query] * widen(base[(u64)query * WIDTH + at]);
            }
            u64 to = (u64)(p.start + key) * WIDTH + blockIdx.y * HEAD + at;
            d_qkv[to + HIDDEN] = narrow(d_key);
            d_qkv[to + 2 * HIDDEN] = narrow(d_value);
        }
        __syncwarp();
    }
}
