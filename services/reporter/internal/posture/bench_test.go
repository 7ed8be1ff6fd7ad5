package posture

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/plimsoll/plimsoll"
)

// BenchmarkFold folds 10,000 images of 100 packages each that share most of them, then takes in a push, then another
// generation. The bucket is on this machine.
func BenchmarkFold(b *testing.B) {
	const repositories, tags, packages = 100, 100, 100
	w := newWorld(b)
	var pool sync.WaitGroup
	for r := range repositories {
		var refs []plimsoll.Ref
		jobs := make(chan int)
		var mu sync.Mutex
		for range readers {
			pool.Go(func() {
				for i := range jobs {
					held := make([]plimsoll.Package, packages)
					for n := range held {
						held[n] = pkg(fmt.Sprint("package-", n), fmt.Sprintf("1.%d.%d", i%10, (r+n)%10))
					}
					name := fmt.Sprint("image ", r, " ", i)
					p := w.inventory(name, recipeOne, held...)
					mu.Lock()
					refs = append(refs, w.complete(fmt.Sprint("v", i), name, recipeOne, p))
					mu.Unlock()
				}
			})
		}
		for i := range tags {
			jobs <- i
		}
		close(jobs)
		pool.Wait()
		w.refs("dev", fmt.Sprint("app-", r), refs...)
	}
	var flaws []plimsoll.Advisory
	for n := range packages {
		flaws = append(flaws, flaw(fmt.Sprint("2021-", n), fmt.Sprint("package-", n), "1.5.0", critical))
	}
	e := w.engine(plimsoll.Registry{ID: "dev"})
	e.SetGeneration(generation("g1", flaws...))
	for b.Loop() {
		w.fold(e)
	}
	b.ReportMetric(float64(len(e.View().Rows())), "rows")
	began := time.Now()
	w.put("dev", "new", w.complete("1", "new", recipeOne, w.inventory("new", recipeOne, pkg("package-1", "1.0.0"))))
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "put-ms")
	began = time.Now()
	w.advance(e)
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "push-ms")
	began = time.Now()
	e.SetGeneration(generation("g2", flaws...))
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "generation-ms")
	began = time.Now()
	e.View().Advisories()
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "advisories-ms")
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc>>20), "heap-MiB")
	runtime.KeepAlive(e)
}
