package gunzip

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"sync"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
)

// generatedBytes is how much benchmark data is made: enough blocks of all kinds, little enough to make in seconds.
const generatedBytes = 32 << 20

// generated is data as layers hold it: half of it Go sources, half of it the programs under pkg/tool.
var generated = sync.OnceValue(func() []byte {
	src := concat(filepath.Join(runtime.GOROOT(), "src"), ".go", generatedBytes/2)
	return append(src, concat(filepath.Join(runtime.GOROOT(), "pkg", "tool"), "", generatedBytes-len(src))...)
})

// concat reads files below root in lexical order until there are limit bytes; fewer when root has fewer.
func concat(root, ext string, limit int) []byte {
	var all []byte
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || ext != "" && filepath.Ext(path) != ext {
			return nil //nolint:nilerr // a benchmark takes what it can read
		}
		if len(all) >= limit {
			return fs.SkipAll
		}
		if data, err := os.ReadFile(path); err == nil {
			all = append(all, data[:min(len(data), limit-len(all))]...)
		}
		return nil
	})
	return all
}

// compress is a gzip member of data at a level of compress/flate.
func compress(tb testing.TB, data []byte, level int) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&out, level)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// corpusLayers gives the paths of the corpus's gzip blobs, largest first. It skips without PLIMSOLL_CORPUS.
func corpusLayers(tb testing.TB) []string {
	tb.Helper()
	root := os.Getenv("PLIMSOLL_CORPUS")
	if root == "" {
		tb.Skip("PLIMSOLL_CORPUS is not set: it names a folder that holds layout/blobs/sha256")
	}
	paths, err := filepath.Glob(filepath.Join(root, "layout", "blobs", "sha256", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	sizes := map[string]int64{}
	var layers []string
	for _, path := range paths {
		size, ok := gzipSize(path)
		if ok {
			layers = append(layers, path)
			sizes[path] = size
		}
	}
	sort.SliceStable(layers, func(i, j int) bool { return sizes[layers[i]] > sizes[layers[j]] })
	return layers
}

// gzipSize is the size of a file that begins with gzip's magic.
func gzipSize(path string) (int64, bool) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	var head [2]byte
	if _, err := io.ReadFull(f, head[:]); err != nil || head != [2]byte{0x1f, 0x8b} {
		return 0, false
	}
	info, err := f.Stat()
	if err != nil {
		return 0, false
	}
	return info.Size(), true
}

// BenchmarkGenerated compares the readers on generated data, in ns per uncompressed byte.
func BenchmarkGenerated(b *testing.B) {
	for _, level := range []struct {
		name  string
		level int
	}{{"fast", flate.BestSpeed}, {"default", flate.DefaultCompression}, {"huffman", flate.HuffmanOnly}} {
		b.Run(level.name, func(b *testing.B) { compare(b, compress(b, generated(), level.level)) })
	}
}

// BenchmarkCorpus compares the readers on the five largest layers of the corpus.
func BenchmarkCorpus(b *testing.B) {
	for _, path := range corpusLayers(b)[:5] {
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(path)[:8], func(b *testing.B) { compare(b, data) })
	}
}

func compare(b *testing.B, data []byte) {
	b.Run("gunzip", func(b *testing.B) {
		z := NewReader(nil)
		measure(b, func() (int64, error) {
			z.Reset(bytes.NewReader(data))
			return z.WriteTo(io.Discard)
		})
	})
	b.Run("klauspost", func(b *testing.B) {
		z, err := kgzip.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		measure(b, func() (int64, error) {
			if err := z.Reset(bytes.NewReader(data)); err != nil {
				return 0, err
			}
			return z.WriteTo(io.Discard)
		})
	})
	b.Run("compress", func(b *testing.B) {
		z, err := stdgzip.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		measure(b, func() (int64, error) {
			if err := z.Reset(bytes.NewReader(data)); err != nil {
				return 0, err
			}
			return io.Copy(io.Discard, z)
		})
	})
}

func measure(b *testing.B, inflate func() (int64, error)) {
	var total int64
	for b.Loop() {
		n, err := inflate()
		if err != nil {
			b.Fatal(err)
		}
		total += n
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(total), "ns/byte")
}
