package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/reporter/internal/history"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posturetest"
)

// BenchmarkTimeline: the history of one tag among others of its registry, each of which was pushed once, 64 a batch as a sweep
// announces them. The reading of the log is what grows.
func BenchmarkTimeline(b *testing.B) {
	for _, tags := range []int{10_000, 100_000} {
		b.Run(fmt.Sprint(tags), func(b *testing.B) {
			w := posturetest.Empty(b)
			w.Decide(w.Policy)
			w.Advise(flaw("CVE-2021-44228", "Maven", "log4j-core", "2.15.0"))
			one := w.Image("1", log4j(vulnerable))
			const batch = 64
			for first := 0; first < tags; first += batch {
				var changes []plimsoll.Change
				for i := first; i < first+batch; i++ {
					r := one
					r.Tag, r.Digest = fmt.Sprint(i%100), posturetest.Digest(fmt.Sprint(i))
					changes = append(changes, plimsoll.Change{Kind: plimsoll.ChangeInventory, Repository: fmt.Sprint("app", i/100), Tag: r.Tag, Digest: r.Digest, Ref: &r})
				}
				w.Log("harbor", "sweep", changes...)
			}
			w.Put("harbor", "shop/orders", one)
			w.At = w.At.Add(time.Hour)
			ref := plimsoll.Reference{Registry: "harbor", Repository: "shop/orders", Tag: "1"}
			for b.Loop() {
				x, err := history.TimelineOf(b.Context(), w.Config(), ref, amd64, w.At)
				if err != nil || len(x.Turns) != 1 {
					b.Fatalf("%+v %v", x, err)
				}
			}
		})
	}
}
