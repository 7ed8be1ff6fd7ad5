package blob_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll"
)

// What the embedded store takes: 16 writers of small objects, then as many readers.
func BenchmarkObjects(b *testing.B) {
	s, prefix := open(b, bucket), "test/"+name(b)+"/"
	var n atomic.Int64 // never starts over: each key is created once
	text := []byte(fmt.Sprint(noon, "some facts of a layer: ", make([]int, 1000)))
	for what, do := range map[string]func(key string) error{
		"Create": func(key string) error { return s.Create(b.Context(), prefix+key, text) },
		"Head":   func(key string) error { _, err := s.Head(b.Context(), prefix+key); return err },
	} {
		b.Run(what, func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := do(fmt.Sprint(n.Add(1))); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkMergeRefs(b *testing.B) {
	s, registry := open(b, bucket), name(b)
	observe(b, s, registry, "app", 1, numbered(0, 900)...)
	seq := int64(1)
	for b.Loop() {
		seq++
		observe(b, s, registry, "app", seq, "v00000")
	}
}

func BenchmarkAppend(b *testing.B) {
	s, stream := open(b, bucket), name(b)
	for b.Loop() {
		if _, err := s.Append(b.Context(), stream, "sweep", noon, []plimsoll.Change{{Kind: plimsoll.ChangeTag}}); err != nil {
			b.Fatal(err)
		}
	}
}
