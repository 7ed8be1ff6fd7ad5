package gunzip

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMatches decodes random literals and matches of all near distances, the farthest and all lengths, against a model
// that copies a byte at a time.
func TestMatches(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(5, seed))
		w, want := bw().fixed(1), []byte("start")
		for _, b := range want {
			w.lit(uint(b))
		}
		for len(want) < 400_000 {
			if r.IntN(3) == 0 {
				b := byte(r.Uint32())
				w.lit(uint(b))
				want = append(want, b)
				continue
			}
			length := 3 + r.IntN(256)
			if r.IntN(2) == 0 {
				length = 3 + r.IntN(20)
			}
			most := min(len(want), windowSize)
			dist := min(most, []int{1 + r.IntN(40), 1 + r.IntN(most), most}[r.IntN(3)])
			w.match(length, dist)
			for range length {
				want = append(want, want[len(want)-dist])
			}
		}
		in := member(w.lit(256), string(want))
		out, err := ours(strings.NewReader(in))
		if err != nil || !bytes.Equal(out, want) {
			t.Errorf("seed %d: got %d bytes, %v; want %d, equal", seed, len(out), err, len(want))
		}
		if std, err := standard([]byte(in)); err != nil || !bytes.Equal(std, want) {
			t.Errorf("seed %d: compress/gzip disagrees with the model: %d bytes, %v", seed, len(std), err)
		}
	}
}

// TestWindow: around the place where the output buffer slides, a distance reaches the whole window, but no further than
// the member's first byte.
func TestWindow(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, outLimit - windowSize - 1, outLimit - 1000, outLimit - 1, outLimit, outLimit + pieceSize} {
		for _, size := range []int{1, 999, 2000, windowSize - 1, windowSize, outLimit, outLimit + 1, outLimit + pieceSize} {
			first, second := noise(before), noise(size)
			most := min(size, windowSize)
			head := member(bw().storedAll(first).stored(1, ""), string(first)) + header(0)
			t.Run(fmt.Sprint(before, "+", size), func(t *testing.T) {
				t.Parallel()
				good := bw().storedAll(second).fixed(1).match(258, most).lit(256)
				want := bytes.Clone(second)
				for range 258 {
					want = append(want, want[len(want)-most])
				}
				out, err := ours(strings.NewReader(head + string(good.out) + trailer(string(want))))
				if err != nil || !bytes.Equal(out, append(bytes.Clone(first), want...)) {
					t.Errorf("distance %d: got %d bytes, %v", most, len(out), err)
				}
				if most == windowSize {
					return
				}
				bad := bw().storedAll(second).fixed(1).match(258, most+1).lit(256)
				out, err = ours(strings.NewReader(head + string(bad.out) + strings.Repeat("\x00", 100)))
				if err != errTooFar || len(out) != before+size {
					t.Errorf("distance %d: got %d bytes, %v", most+1, len(out), err)
				}
			})
		}
	}
}

// TestResetForgetsMembers: the end behind a complete member is no end of the next stream.
func TestResetForgetsMembers(t *testing.T) {
	t.Parallel()
	z := NewReader(bytes.NewReader(compress(t, text(10), 6)))
	if _, err := io.Copy(io.Discard, z); err != nil {
		t.Fatal(err)
	}
	z.Reset(strings.NewReader(""))
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.ErrUnexpectedEOF {
		t.Errorf("got %d bytes, %v; want none, %v", n, err, io.ErrUnexpectedEOF)
	}
}
