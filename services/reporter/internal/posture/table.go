package posture

// chunkSize is how many values of a [table] are copied when one of them changes: small beside a table of a million, large
// enough that sharing a table copies few headers.
const chunkSize = 1 << 10

// table is a growing list of values by number. One writer changes it; [table.share] gives readers a state that never changes,
// at the cost of one header a chunk: what the writer changes afterwards it copies first, a chunk at a time.
type table[T any] struct {
	chunks [][]T
	mine   []bool // chunks that nobody shares
	n      int
}

// len is how many values there are.
func (t *table[T]) len() int { return t.n }

// at is a value; the zero value beyond the end.
func (t *table[T]) at(i int32) (v T) {
	if int(i) >= t.n {
		return v
	}
	return t.chunks[int(i)/chunkSize][int(i)%chunkSize]
}

// set changes a value; the table grows with zero values as needed.
func (t *table[T]) set(i int32, v T) {
	*t.change(i) = v
}

// change is a value's place, to be changed before the table is shared again.
func (t *table[T]) change(i int32) *T {
	t.grow(int(i) + 1)
	c := int(i) / chunkSize
	if !t.mine[c] {
		t.chunks[c], t.mine[c] = append(make([]T, 0, chunkSize), t.chunks[c]...), true
	}
	return &t.chunks[c][int(i)%chunkSize]
}

// grow makes the table hold n values at least.
func (t *table[T]) grow(n int) {
	for len(t.chunks)*chunkSize < n {
		t.chunks, t.mine = append(t.chunks, make([]T, chunkSize)), append(t.mine, true)
	}
	t.n = max(t.n, n)
}

// share is the present state for readers.
func (t *table[T]) share() table[T] {
	clear(t.mine)
	return table[T]{chunks: append([][]T(nil), t.chunks...), n: t.n}
}
