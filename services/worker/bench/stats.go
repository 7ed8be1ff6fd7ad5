package main

import (
	"maps"
	"math"
	"slices"
)

// median is the middle value, or the mean of the two in the middle; of nothing it is NaN.
func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(all))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// percentile is the nearest rank: the least value that at least p of 100 values do not exceed. Of fewer than 20 values the
// 95th is the greatest.
func percentile(all []float64, p float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(all))
	return s[max(0, int(math.Ceil(p/100*float64(len(s))))-1)]
}

// ratios divides values of the same round by each other: neighbours in time, so that what else the machine does weighs on
// both. Rounds that lack one of the two give nothing.
func ratios(over, under map[int]float64) (all []float64) {
	for round, v := range over {
		if u, ok := under[round]; ok && u > 0 {
			all = append(all, v/u)
		}
	}
	return all
}

// values gives a map's values, by round.
func values(by map[int]float64) (all []float64) {
	for _, round := range slices.Sorted(maps.Keys(by)) {
		all = append(all, by[round])
	}
	return all
}
