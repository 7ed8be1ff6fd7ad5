package main

import (
	"context"
	"runtime"

	"github.com/plimsoll/plimsoll/services/reporter/internal/export"
)

// weighEvery is after how many bytes an image the heap is weighed: a collection takes time, the more so the more images there are.
const weighEvery = 100

// growth counts bytes and notes how far the heap grows while they are written.
type growth struct {
	bytes, weighed int64
	every          int64
	from, max      uint64
}

// Write implements io.Writer.
func (g *growth) Write(b []byte) (int, error) {
	if g.bytes += int64(len(b)); g.bytes-g.weighed >= g.every {
		g.weighed, g.max = g.bytes, max(g.max, heap())
	}
	return len(b), nil
}

// heap is what is in use.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// export measures the day's file.
func (b *bench) export(ctx context.Context, r *result) (err error) {
	g := &growth{every: int64(weighEvery * b.f.n), from: heap()}
	r.Export, err = timed(func() error { return export.Write(ctx, g, b.engine.View(), b.f.now, "bench") })
	r.Exported, r.ExportHeap = float64(g.bytes)/(1<<20), float64(max(g.max, g.from)-g.from)/(1<<20)
	return err
}
