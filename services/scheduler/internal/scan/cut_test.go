package scan

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/workflows"
)

func sized(sizes ...int64) []workflows.PlanLayer {
	layers := map[plimsoll.Digest]workflows.PlanLayer{}
	for i, size := range sizes {
		d := plimsoll.DigestOf(fmt.Append(nil, i))
		layers[d] = workflows.PlanLayer{Digest: d, Size: size}
	}
	return ordered(layers)
}

func TestCut(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	tests := []struct {
		name  string
		sizes []int64
		want  []int
	}{
		{"nothing", nil, nil},
		{"one", []int64{5}, []int{0, 1}},
		{"small ones share a batch", []int64{1024, 1024, 1024}, []int{0, 3}},
		{"at most so many a batch", slices.Repeat([]int64{1024}, batchLayers+1), []int{0, batchLayers, batchLayers + 1}},
		{"a large one is alone", []int64{10, 900 * mib, 20}, []int{0, 1, 3}},
		{"by bytes", []int64{40 * mib, 24 * mib, 1, 1}, []int{0, 2, 4}},
		{"claims beyond all measure", []int64{math.MaxInt64, math.MaxInt64, 1}, []int{0, 1, 2, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, cut(sized(test.sizes...))); diff != "" {
				t.Errorf("cuts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCutKeepsToMaxBatches(t *testing.T) {
	t.Parallel()
	for _, n := range []int{workflows.MaxBatches, workflows.MaxBatches + 1, 10 * workflows.MaxBatches} {
		cuts := cut(sized(slices.Repeat([]int64{batchBytes}, n)...))
		if len(cuts) > workflows.MaxBatches+1 || cuts[0] != 0 || cuts[len(cuts)-1] != n || !slices.IsSorted(cuts) {
			t.Errorf("%d large layers: %d cuts from %d to %d", n, len(cuts), cuts[0], cuts[len(cuts)-1])
		}
	}
}

func TestOrderedIsLargestFirst(t *testing.T) {
	t.Parallel()
	layers := sized(1, 5, 3, 5, 1)
	for i := range layers[1:] {
		a, b := layers[i], layers[i+1]
		if a.Size < b.Size || a.Size == b.Size && a.Digest > b.Digest {
			t.Errorf("layer %d (%d, %s) stands before (%d, %s)", i, a.Size, a.Digest.Short(), b.Size, b.Digest.Short())
		}
	}
}
