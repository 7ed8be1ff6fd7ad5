package main

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedianAndPercentile(t *testing.T) {
	t.Parallel()
	twenty := make([]float64, 20)
	for i := range twenty {
		twenty[i] = float64(20 - i)
	}
	tests := map[string]struct {
		in          []float64
		median, p95 float64
	}{
		"one":      {[]float64{4}, 4, 4},
		"three":    {[]float64{9, 1, 5}, 5, 9},
		"four":     {[]float64{8, 2, 4, 6}, 5, 8},
		"twenty":   {twenty, 10.5, 19},
		"the same": {[]float64{3, 3, 3}, 3, 3},
	}
	for name, tt := range tests {
		in := slices.Clone(tt.in)
		if m, p := median(in), percentile(in, 95); m != tt.median || p != tt.p95 {
			t.Errorf("%s: median %v and p95 %v, want %v and %v", name, m, p, tt.median, tt.p95)
		}
		if diff := cmp.Diff(tt.in, in); diff != "" {
			t.Errorf("%s: the values were changed (-want +got):\n%s", name, diff)
		}
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(percentile(nil, 95)) {
		t.Error("of nothing there is a median or a p95")
	}
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	got := ratios(map[int]float64{0: 2, 1: 9, 2: 4}, map[int]float64{0: 1, 2: 2, 3: 1})
	slices.Sort(got)
	if diff := cmp.Diff([]float64{2, 2}, got); diff != "" {
		t.Errorf("ratios (-want +got):\n%s", diff)
	}
	if got := ratios(map[int]float64{0: 2}, map[int]float64{0: 0}); len(got) != 0 {
		t.Errorf("ratios to nothing = %v, want none", got)
	}
}
