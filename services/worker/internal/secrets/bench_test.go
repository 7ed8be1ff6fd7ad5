package secrets

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// sources returns up to limit bytes of the standard library's sources: text as a layer has it, almost without secrets.
func sources(b *testing.B, limit int) []byte {
	b.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(filepath.Join(runtime.GOROOT(), "src"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || all.Len() > limit {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil || all.Len() == 0 {
		b.Skip("no sources of the standard library: ", err)
	}
	return all.Bytes()
}

func BenchmarkSieve(b *testing.B) {
	f, text := newFinder(b), sources(b, 16<<20)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		f.sieve.sift(text, func(int, int) {})
	}
	perByte(b, len(text))
}

func BenchmarkFind(b *testing.B) {
	plain := sources(b, 16<<20)
	secret := "password = " + "ghp_" + strings.Repeat("Ab0", 12) + "\n"
	for _, c := range []struct {
		name string
		text []byte
	}{
		{"plain", plain},
		{"a candidate every 10 KB", sprinkle(plain, 10_000, secret)},
		{"a candidate every 100 bytes", sprinkle(plain, 100, secret)},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := NewStream(newFinder(b))
			b.SetBytes(int64(len(c.text)))
			for b.Loop() {
				if err := s.Write(b.Context(), c.text); err != nil {
					b.Fatal(err)
				}
				if _, _, err := s.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			perByte(b, len(c.text))
		})
	}
}

// BenchmarkSmall writes a file at a time, of the size that most have.
func BenchmarkSmall(b *testing.B) {
	s, text := NewStream(newFinder(b)), sources(b, 1<<20)
	for b.Loop() {
		for p := range chunks(text, 1<<10) {
			if err := s.Write(b.Context(), p); err != nil {
				b.Fatal(err)
			}
			if _, _, err := s.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	perByte(b, len(text))
}

func sprinkle(text []byte, every int, secret string) []byte {
	var all bytes.Buffer
	for part := range chunks(text, every) {
		all.Write(part)
		all.WriteString(secret)
	}
	return all.Bytes()
}

// perByte reports the figure that the budget of the analyser is stated in.
func perByte(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/byte")
}

func chunks(text []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(text) > 0 {
			n := min(size, len(text))
			if !yield(text[:n]) {
				return
			}
			text = text[n:]
		}
	}
}
