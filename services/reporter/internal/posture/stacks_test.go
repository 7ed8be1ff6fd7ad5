package posture

import (
	"math/rand/v2"
	"testing"
)

// TestStacks: piles that begin alike share stacks, what no image uses goes, and climbing meets each stack after the one below
// it with all that stands upon it before anything else.
func TestStacks(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	s := newStacks()
	lists := make([]*layerList, 12)
	for i := range lists {
		lists[i] = &layerList{number: int32(i)}
	}
	var held []int32
	for range 5000 {
		if len(held) > 0 && r.IntN(3) == 0 {
			i := r.IntN(len(held))
			s.release(held[i])
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
			continue
		}
		segments := make([]segment, r.IntN(5))
		for i := range segments {
			segments[i] = segment{list: lists[r.IntN(len(lists))], layer: int32(i)}
			if r.IntN(4) == 0 {
				segments[i].removed = []int32{int32(r.IntN(3))}
			}
		}
		top := s.pile(segments)
		if again := s.pile(segments); again != top {
			t.Fatalf("the same segments are stacks %d and %d", top, again)
		}
		s.release(top)
		held = append(held, top)
	}
	path, met := []int32{0}, map[int32]bool{0: true}
	for _, n := range climb(&s.all)[1:] {
		below := s.all.at(n).below
		for path[len(path)-1] != below {
			if path = path[:len(path)-1]; len(path) == 0 {
				t.Fatalf("stack %d comes when the one below it, %d, is left already", n, below)
			}
		}
		path = append(path, n)
		if met[n] || below >= n {
			t.Fatalf("stack %d upon %d, met before: %v", n, below, met[n])
		}
		met[n] = true
	}
	for _, top := range held {
		if !met[top] {
			t.Errorf("stack %d of an image is not climbed", top)
		}
	}
	if len(met) != len(s.known)+1 {
		t.Errorf("%d stacks are climbed, %d known", len(met)-1, len(s.known))
	}
	for _, top := range held {
		s.release(top)
	}
	if len(s.known) != 0 || len(climb(&s.all)) != 1 {
		t.Errorf("without images %d stacks stand", len(s.known))
	}
}
