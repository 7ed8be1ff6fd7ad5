package list

import "slices"

// picked keeps the lowest n of what it is offered, without sorting the rest.
type picked[T any] struct {
	n       int
	compare func(a, b T) int
	kept    []T
	full    bool // kept[n-1] is the highest that can still be among the lowest
}

func newPicked[T any](n int, compare func(a, b T) int) *picked[T] {
	return &picked[T]{n: n, compare: compare}
}

// offer takes one more.
func (p *picked[T]) offer(x T) {
	if p.full && p.compare(x, p.kept[p.n-1]) >= 0 {
		return
	}
	if p.kept = append(p.kept, x); len(p.kept) >= 4*p.n {
		p.cut()
	}
}

func (p *picked[T]) cut() {
	slices.SortFunc(p.kept, p.compare)
	if len(p.kept) >= p.n {
		clear(p.kept[p.n:])
		p.kept, p.full = p.kept[:p.n], true
	}
}

// sorted are the lowest n, in order.
func (p *picked[T]) sorted() []T {
	p.cut()
	return p.kept
}
