package assemble

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNames compares the set with a map, over random adding and dropping.
func TestNames(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		var got names
		want := map[string]struct{}{}
		for range 2000 {
			name := fmt.Sprintf("%0*d", r.IntN(200), r.IntN(300))
			if r.IntN(3) == 0 {
				_, there := want[name]
				if dropped := got.drop(name); dropped != there {
					t.Fatalf("seed %d: drop(%q) = %v, want %v", seed, name, dropped, there)
				}
				delete(want, name)
			} else {
				got.add(name)
				want[name] = struct{}{}
			}
			if r.IntN(100) == 0 {
				kept := got
				got = got.clone()
				got.add("only in the clone")
				if kept.has("only in the clone") {
					t.Fatal("a clone is not a copy")
				}
				got.drop("only in the clone")
			}
		}
		if got.len() != len(want) {
			t.Errorf("seed %d: %d names, want %d", seed, got.len(), len(want))
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(got.all())); diff != "" {
			t.Errorf("seed %d: names (-want +got):\n%s", seed, diff)
		}
	}
}
