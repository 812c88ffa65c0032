// Attention over sequences packed end to end, on tensor cores, both ways. HEAD is 32 or 64 and POSITIONS a multiple of 4.
//
//   s = q kᵀ / √D over the sequence's own keys, p = exp(s - lse), lse = log Σ exp s, context = (mask p) v
//   delta = d_context · context;  ds = p (mask (d_context vᵀ) - delta) / √D;  dq = ds k;  dk = dsᵀ q;  dv = (mask p)ᵀ d_context
//
// Neither probabilities nor masks are kept: the backward makes them again, from lse and from Philox.
//
// Grid: blockIdx.x is an entry of a list of tiles (sequence, first row of 64), blockIdx.y a head; 4 warps own 16 rows each.
// Forward and dq: rows are queries, keys and values pass through shared memory 64 at a time, read once for each tile of
// queries. dk and dv: rows are keys, queries and d_context pass through; everything is said transposed, so that no
// probability leaves its registers. Two kernels and no atomics: each gradient has one owner. Rounded to bfloat16 are the
// operands of products only. Groups of 16 past a sequence's end are skipped.
//
// `first_only`: only each sequence's first token asks; contexts, lse and delta are then indexed by sequence.

#define TILE 64
#define STRIDE (HEAD + 8)
#define WIDTH (3 * HIDDEN)

// A tile's place: sequence, its first token, its length, the queries that ask, and the tile's first row.
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

// Row of a query in context, lse and delta.
DEVICE u32 query_row(const Place& p, u32 query, u32 first_only) { return first_only ? p.sequence : p.start + query; }

// 64 rows of HEAD values to shared memory, 16 bytes at a time; rows from `count` on are zeros.
DEVICE void load_tile(u16* tile, const u16* rows, u32 pitch, u32 count) {
    for (u32 piece = threadIdx.x; piece < TILE * HEAD / 8; piece += 128) {
        u32 row = piece / (HEAD / 8), at = piece % (HEAD / 8) * 8;
        Four four = {{0, 0, 0, 0}};
        if (row < count) four = *(const Four*)(rows + (u64)row * pitch + at);
        *(Four*)(tile + row * STRIDE + at) = four;
    }
}

DEVICE float scale_of_scores() { return 1.0f / sqrtf((float)HEAD); }

// First mask index of a query's row of probabilities.
DEVICE u64 mask_row(const Step* step, const Place& p, u32 query) {
    return ((step->first_token + p.start + query) * HEADS + blockIdx.y) * POSITIONS;
}

DEVICE u32 pick(const Words& words, u32 at) {
    u32 low = at & 1 ? words.w[1] : words.w[0], high = at & 1 ? words.w[3] : words.w[2];
    return at & 2 ? high : low;
}

// Masks of a sum [queries g, g + 8; keys 2t, 2t + 1], keys counted from `key`. A block of Philox holds four keys, so two
// lanes need the same two blocks, of query g and of g + 8: each makes one and hands half of it over.
DEVICE void mask_of_keys(const Step* step, const Dropout& dropout, const Place& p, u32 query, u32 key, float* values) {
    u32 lane = threadIdx.x % WARP, odd = lane & 1;
    u64 row = mask_row(step, p, query + lane / 4 + odd * 8);
    Words words = draw(step, dropout.site, (row + key + (lane % 4 / 2) * 4) / 4);
    u32 other[2], own[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        own[i] = odd ? words.w[2 + i] : words.w[i];
        other[i] = __shfl_xor_sync(ALL_LANES, odd ? words.w[i] : words.w[2 + i], 1);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        values[i] = (odd ? other[i] : own[i]) >= dropout.threshold ? dropout.keep : 0.0f;
        values[2 + i] = (odd ? own[i] : other[i]) >= dropout.threshold ? dropout.keep : 0.0f;
    }
}

// Masks of a sum [keys g, g + 8; queries 2t, 2t + 1]. Value i needs word g % 4 of block i, where block 0 is (query 2t, keys
// of g), 1 is (2t + 1, g), 2 is (2t, g + 8), 3 is (2t + 1, g + 8); the four lanes of one t and g / 4 need the same four
// blocks, make one each and exchange words.
DEVICE void mask_of_queries(const Step* step, const Dropout& dropout, const Place& p, u32 query, u32 key, float* values) {
    u32 lane = threadIdx.x % WARP, g = lane / 4, own = g & 3;
    u64 row = mask_row(step, p, query + 2 * (lane & 3) + (own & 1));
    Words words = draw(step, dropout.site, (row + key + (g & 4) + (own >> 1) * 8) / 4);
    u32 bits[4];
#pragma unroll
    for (u32 apart = 0; apart < 4; ++apart) {
        u32 word = pick(words, own ^ apart);
        if (apart > 0) word = __shfl_xor_sync(ALL_LANES, word, (int)apart * 4);
#pragma unroll
        for (u32 i = 0; i < 4; ++i)
            if ((own ^ apart) == i) bits[i] = word;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) values[i] = bits[i] >= dropout.threshold ? dropout.keep : 0.0f;
}

// Over the four lanes that hold a row of a sum.
DEVICE float quad_sum(float x) {
    x += __shfl_xor_sync(ALL_LANES, x, 1);
    return x + __shfl_xor_sync(ALL_LANES, x, 2);
}
DEVICE float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

// sum [16, 16] = a bᵀ over HEAD, a in registers, b 16 rows of a tile.
DEVICE void scores(float (*sum)[4], const u32 (*a)[4], const u16* tile) {
#pragma unroll
    for (int at = 0; at < HEAD / 16; ++at) {
        u32 b[4];
        load_b(b, tile + at * 16, STRIDE);
        mma(sum[0], a[at], b);
        mma(sum[1], a[at], b + 2);
    }
}

// sum [16, HEAD] += a b, a [16, 16] made of two sums, b 16 rows of a tile.
DEVICE void weighted(float (*sum)[4], const float (*with)[4], const u16* tile) {
    u32 a[4], b[4];
    as_a(a, with[0], with[1]);
#pragma unroll
    for (int at = 0; at < HEAD / 16; ++at) {
        load_b_transposed(b, tile + at * 16, STRIDE);
        mma(sum[2 * at], a, b);
        mma(sum[2 * at + 1], a, b + 2);
    }
}

// Writes a sum [16, HEAD] to rows g and g + 8 of this warp's 16, those below `count`.
DEVICE void store_rows(u16* rows, u32 pitch, u32 count, const float (*sum)[4], float low, float high) {
    u32 lane = threadIdx.x % WARP, row = threadIdx.x / WARP * 16 + lane / 4;
#pragma unroll
    for (int at = 0; at < HEAD / 8; ++at) {
        u16* to = rows + (u64)row * pitch + at * 8 + 2 * (lane % 4);
        if (row < count) *(u32*)to = pack(sum[at][0] * low, sum[at][1] * low);
        if (row + 8 < count) *(u32*)(to + 8 * (u64)pitch) = pack(sum[at][2] * high, sum[at][3] * high);
    }
}

KERNEL(128) attention_forward(const u16* qkv, u16* context, float* lse, const Step* step, const u32* cumulative,
                              const u32* tiles, u32 rows, u32 first_only, u32 site, u32 threshold, float keep) {
    if (blockIdx.x >= step->tiles) return;
    Place p = place(tiles, cumulative, first_only);
    if (p.first >= p.queries) return;
    SHARED(u16, keys);
    u16* values = keys + TILE * STRIDE;
    Dropout dropout = {site, threshold, keep};
    const u16* own = qkv + (u64)p.start * WIDTH + blockIdx.y * HEAD;
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    bool active = p.first + warp * 16 < p.queries;

    load_tile(keys, own + (u64)p.first * WIDTH, WIDTH, p.queries - p.first);
    __syncthreads();
    u32 query[HEAD / 16][4];
#pragma unroll
    for (int at = 0; at < HEAD / 16; ++at) load_a(query[at], keys + warp * 16 * STRIDE + at * 16, STRIDE);
    __syncthreads();

    float sum[HEAD / 8][4], largest[2] = {-infinity(), -infinity()}, total[2] = {0.0f, 0.0f};
#pragma unroll
    for (int at = 0; at < HEAD / 8; ++at)
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[at][i] = 0.0f;
    for (u32 key = 0; key < p.length; key += TILE) {
        u32 left = p.length - key;
        load_tile(keys, own + HIDDEN + (u64)key * WIDTH, WIDTH, left);
        load_tile(values, own + 2 * HIDDEN + (u64)key * WIDTH, WIDTH, left);
        __syncthreads();
        if (active) {
            float s[TILE / 8][4], peak[2] = {largest[0], largest[1]};
#pragma unroll
            for (int at = 0; at < TILE / 8; ++at)
#pragma unroll
                for (int i = 0; i < 4; ++i) s[at][i] = 0.0f;
#pragma unroll
            for (int at = 0; at < TILE / 16; ++at)
                if (at * 16 < left) scores(s + 2 * at, query, keys + at * 16 * STRIDE);
#pragma unroll
            for (int at = 0; at < TILE / 8; ++at)
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    bool inside = at * 8 + 2 * (lane % 4) + i % 2 < left;
                    s[at][i] = inside ? s[at][i] * scale_of_scores() : -infinity();
                    peak[i / 2] = fmaxf(peak[i / 2], s[at][i]);
                }
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                peak[i] = quad_max(peak[i]);
                float shrink = expf(largest[i] - peak[i]);
                largest[i] = peak[i];
                total[i] *= shrink;
#pragma unroll
                for (int at = 0; at < HEAD / 8; ++at) sum[at][2 * i] *= shrink, sum[at][2 * i + 1] *= shrink;
            }
#pragma unroll
            for (int at = 0; at < TILE / 8; ++at) {
                if (at * 8 >= left) break;
                float factors[4] = {1.0f, 1.0f, 1.0f, 1.0f};
                if (threshold > 0) mask_of_keys(step, dropout, p, p.first + warp * 16, key + at * 8, factors);
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    s[at][i] = expf(s[at][i] - largest[i / 2]);
                    total[i / 2] += s[at][i];
                    s[at][i] *= factors[i];
                }
            }
#pragma unroll
            for (int at = 0; at < TILE / 16; ++at)
                if (at * 16 < left) {
                    // The second 8 of the last 16 may lie past the end and then were never made probabilities.
                    if (at * 16 + 8 >= left)
#pragma unroll
                        for (int i = 0; i < 4; ++i) s[2 * at + 1][i] = 0.0f;
                    weighted(sum, s + 2 * at, values + at * 16 * STRIDE);
                }
        }
        __syncthreads();
    }
    if (!active) return;
    total[0] = quad_sum(total[0]), total[1] = quad_sum(total[1]);
    u16* to = context + (u64)query_row(p, p.first, first_only) * HIDDEN + blockIdx.y * HEAD;
    store_rows(to, HIDDEN, p.queries - p.first, sum, 1.0f / total[0], 1.0f / total[1]);
    if (lane % 4 > 0) return;
    u32 first = p.first + warp * 16 + lane / 4;
    float* statistics = lse + (u64)blockIdx.y * rows;
    if (first < p.queries) statistics[query_row(p, first, first_only)] = largest[0] + logf(total[0]);
    if (first + 8 < p.queries) statistics[query_row(p, first + 8, first_only)] = largest[1] + logf(total[1]);
}

// Gradients of scores, in place of the products d_context vᵀ: ds = p (mask dp - delta) / √D.
DEVICE float score_gradient(float probability, float factor, float product, float delta) {
    return probability * (factor * product - delta) * scale_of_scores();
}

KERNEL(128) attention_backward_query(const u16* qkv, const u16* context, const u16* d_context, const float* lse,
                                     float* delta, u16* d_qkv, const Step* step, const u32* cumulative, const u32* tiles,
                                     u32 rows, u32 first_only, u32 site, u32 threshold, float keep) {
    if (blockIdx.x >= step->tiles) return;
    Place p = place(tiles, cumulative, first_only);
    if (p.first >= p.queries) return;
    SHARED(u16, keys);
    u16* values = keys + TILE * STRIDE;
    Dropout dropout = {site, threshold, keep};
    const u16* own = qkv + (u64)p.start * WIDTH + blockIdx.y * HEAD;
    u64 asking = (u64)query_row(p, p.first, first_only) * HIDDEN + blockIdx.y * HEAD;
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    bool active = p.first + warp * 16 < p.queries;

    u32 query[HEAD / 16][4], above[HEAD / 16][4];
    load_tile(keys, own + (u64)p.first * WIDTH, WIDTH, p.queries - p.first);
    load_tile(values, d_context + asking, HIDDEN, p.queries - p.first);
    __syncthreads();
#pragma unroll
    for (int at = 0; at < HEAD / 16; ++at) {
        load_a(query[at], keys + warp * 16 * STRIDE + at * 16, STRIDE);
        load_a(above[at], values + warp * 16 * STRIDE + at * 16, STRIDE);
    }
    __syncthreads();
    load_tile(keys, context + asking, HIDDEN, p.queries - p.first);
    __syncthreads();
    float across[2] = {0.0f, 0.0f}, level[2];
#pragma unroll
    for (int at = 0; at < HEAD / 16; ++at) {
        u32 outcome[4];
        load_a(outcome, keys + warp * 16 * STRIDE + at * 16, STRIDE);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            float low = low_half(outcome[i]) * low_half(above[at][i]);
            across[i % 2] += low + high_half(outcome[i]) * high_half(above[at][i]);
        }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        across[i] = quad_sum(across[i]);
        u32 asked = p.first + warp * 16 + lane / 4 + 8 * i;
        u64 at = (u64)blockIdx.y * rows + query_row(p, asked, first_only);
        level[i] = asked < p.queries ? lse[at] : infinity();
        if (asked < p.queries && lane % 4 == 0) delta[at] = across[i];
    }

    float sum[HEAD / 8][4];
#pragma unroll
    for (int at = 0; at < HEAD / 8; ++at)
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[at][i] = 0.0f;
    for (u32 key = 0; key < p.length; key += TILE) {
        u32 left = p.length - key;
        load_tile(keys, own + HIDDEN + (u64)key * WIDTH, WIDTH, left);
        load_tile(values, own + 2 * HIDDEN + (u64)key * WIDTH, WIDTH, left);
        __syncthreads();
#pragma unroll
        for (int at = 0; at < TILE / 16; ++at) {
            if (!active || at * 16 >= left) break;
            float s[2][4] = {{0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}};
            float product[2][4] = {{0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}};
            scores(s, query, keys + at * 16 * STRIDE);
            scores(product, above, values + at * 16 * STRIDE);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float factors[4] = {1.0f, 1.0f, 1.0f, 1.0f};
                u32 column = at * 16 + half * 8;
                if (threshold > 0) mask_of_keys(step, dropout, p, p.first + warp * 16, key + column, factors);
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    bool inside = column + 2 * (lane % 4) + i % 2 < left;
                    float probability = inside ? expf(s[half][i] * scale_of_scores() - level[i / 2]) : 0.0f;
                    s[half][i] = score_gradient(probability, factors[i], product[half][i], across[i / 2]);
                }
            }
            weighted(sum, s, keys + at * 16 * STRIDE);
        }
        __syncthreads();
    }
    u16* to = d_qkv + (u64)(p.start + p.first) * WIDTH + blockIdx.y * HEAD;
    if (active) store_rows(to, WIDTH, p.queries - p.first, sum, 1.0f, 1.0f);
}

KERNEL(128) attention_backward_key(const u16* qkv, const u16* d_context, const float* lse, const float* delta, u16* d_qkv,
                                   const Step* step, const u32* cumulative, const u32* tiles, u32 rows, u32 first_only,
                                   u32 site, u32 threshold, float keep) {
    if (blockIdx.x >= step->tiles) return;
    Place p = place(tiles, cumulative, first_only);
    SHARED(u16, queries);
    u16* above = queries + TILE * STRIDE;
    float* levels = (float*)(above + TILE * STRIDE);
    float* deltas = levels + TILE;
    Dropout dropout = {site, threshold, keep};
    const u16* own = qkv + (u64)p.start * WIDTH + blockIdx.y * HEAD;
    u32 warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    bool active = p.first + warp * 16 < p.length;

    u32 key[HEAD / 16][4], value[HEAD / 16][4];
    load_tile(queries, own + HIDDEN + (u64)p.first * WIDTH, WIDTH, p.length - p.first);
    load_tile(above, own + 2 * HIDDEN + (u64)p.first * WIDTH, WIDTH, p.length - p.first);
    __syncthreads();
#pragma unroll
    for (int at = 0; at < HEAD / 16; ++at) {
        load_a(key[at], queries + warp * 16 * STRIDE + at * 16, STRIDE);
        load_a(value[at], above + warp * 16 * STRIDE + at * 16, STRIDE);
    }
    __syncthreads();

    float d_key[HEAD / 8][4], d_value[HEAD / 8][4];
#pragma unroll
    for (int at = 0; at < HEAD / 8; ++at)
#pragma unroll
        for (int i = 0; i < 4; ++i) d_key[at][i] = 0.0f, d_value[at][i] = 0.0f;
    for (u32 query = 0; query < p.queries; query += TILE) {
        u32 left = p.queries - query, from = query_row(p, query, first_only);
        load_tile(queries, own + (u64)query * WIDTH, WIDTH, left);
        load_tile(above, d_context + (u64)from * HIDDEN + blockIdx.y * HEAD, HIDDEN, left);
        if (threadIdx.x < TILE) {
            u64 at = (u64)blockIdx.y * rows + from + threadIdx.x;
            levels[threadIdx.x] = threadIdx.x < left ? lse[at] : infinity();
            deltas[threadIdx.x] = threadIdx.x < left ? delta[at] : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int at = 0; at < TILE / 16; ++at) {
            if (!active || at * 16 >= left) break;
            float s[2][4] = {{0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}};
            float product[2][4] = {{0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}};
            scores(s, key, queries + at * 16 * STRIDE);
            scores(product, value, above + at * 16 * STRIDE);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float factors[4] = {1.0f, 1.0f, 1.0f, 1.0f};
                u32 column = at * 16 + half * 8;
                if (threshold > 0) mask_of_queries(step, dropout, p, query + column, p.first + warp * 16, factors);
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    u32 asked = column + 2 * (lane % 4) + i % 2;
                    float probability = expf(s[half][i] * scale_of_scores() - levels[asked]);
                    s[half][i] = score_gradient(probability, factors[i], product[half][i], deltas[asked]);
                    product[half][i] = probability * factors[i];
                }
            }
            weighted(d_value, product, above + at * 16 * STRIDE);
            weighted(d_key, s, queries + at * 16 * STRIDE);
        }
        __syncthreads();
    }
    if (!active) return;
    u16* to = d_qkv + (u64)(p.start + p.first) * WIDTH + blockIdx.y * HEAD;
    store_rows(to + HIDDEN, WIDTH, p.length - p.first, d_key, 1.0f, 1.0f);
    store_rows(to + 2 * HIDDEN, WIDTH, p.length - p.first, d_value, 1.0f, 1.0f);
}
