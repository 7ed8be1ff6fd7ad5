package scan

import (
	"cmp"
	"math"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/workflows"
)

// A batch of layers is one activity. Temporal is the scarcest part, so a batch holds many small layers; a large layer has a
// batch of its own, so that a retry repeats little and several workers share the work.
const (
	batchBytes  = 64 << 20
	batchLayers = 64
	// quickBytes and quickLayers are what a worker reads within a second.
	quickBytes  = 8 << 20
	quickLayers = 8
)

// ordered is layers largest first, ties by digest: the long ones start at once, and the same set always gives the same plan.
func ordered(layers map[plimsoll.Digest]workflows.PlanLayer) []workflows.PlanLayer {
	all := make([]workflows.PlanLayer, 0, len(layers))
	for _, l := range layers {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b workflows.PlanLayer) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Digest, b.Digest))
	})
	return all
}

// cut divides layers into batches: batch i holds [cuts[i], cuts[i+1]). There are at most workflows.MaxBatches; where the
// usual bounds would give more, both are doubled until they fit.
func cut(layers []workflows.PlanLayer) []int {
	for bytes, count := int64(batchBytes), batchLayers; ; bytes, count = 2*bytes, 2*count {
		cuts := cutBy(layers, bytes, count)
		if len(cuts) <= workflows.MaxBatches+1 || count >= len(layers) {
			return cuts
		}
	}
}

func cutBy(layers []workflows.PlanLayer, maxBytes int64, maxCount int) []int {
	if len(layers) == 0 {
		return nil
	}
	cuts, bytes := []int{0}, int64(0)
	for i, l := range layers {
		from := cuts[len(cuts)-1]
		if i > from && (i-from >= maxCount || l.Size > maxBytes-bytes) {
			cuts, bytes = append(cuts, i), 0
		}
		bytes = plus(bytes, l.Size)
	}
	return append(cuts, len(layers))
}

// plus adds sizes that manifests claim: negative ones count as nothing, and the sum does not overflow.
func plus(a, b int64) int64 {
	if b = max(b, 0); a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
