package gunzip

import (
	"bytes"
	stdgzip "compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestCorpus inflates each gzip blob of the corpus as compress/gzip does.
func TestCorpus(t *testing.T) {
	z := NewReader(nil)
	for _, path := range corpusLayers(t) {
		want, wantN, wantErr := hashStandard(t, path)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		z.Reset(f)
		h := sha256.New()
		n, err := z.WriteTo(h)
		f.Close()
		if got := [32]byte(h.Sum(nil)); got != want || n != wantN || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: got %d bytes, sha256 %x, error %v; want %d, %x, %v", filepath.Base(path), n, got, err, wantN, want, wantErr)
		}
	}
}

func hashStandard(t *testing.T, path string) ([32]byte, int64, error) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := stdgzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	n, err := io.Copy(h, z)
	return [32]byte(h.Sum(nil)), n, err
}

// standard inflates with compress/gzip; the end of an empty source counts as a cut stream.
func standard(data []byte) ([]byte, error) {
	z, err := stdgzip.NewReader(bytes.NewReader(data))
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(z)
	return out, err
}

// ours inflates with this package.
func ours(r io.Reader) ([]byte, error) {
	var out bytes.Buffer
	_, err := NewReader(r).WriteTo(&out)
	return out.Bytes(), err
}

// kind names an error's sentinel, so that our errors and compress/gzip's compare.
func kind(err error) string {
	switch {
	case err == nil:
		return "nil"
	case errors.Is(err, ErrHeader), errors.Is(err, stdgzip.ErrHeader):
		return "header"
	case errors.Is(err, ErrChecksum), errors.Is(err, stdgzip.ErrChecksum):
		return "checksum"
	case err == io.ErrUnexpectedEOF:
		return "cut"
	}
	return "corrupt"
}

// longString is what compress/gzip refuses in a header and this package skips.
const longString = 512

// checkStandard compares output and verdict with compress/gzip's.
func checkStandard(t *testing.T, in []byte) {
	t.Helper()
	out, err := ours(bytes.NewReader(in))
	want, wantErr := standard(in)
	if wantErr == stdgzip.ErrHeader && kind(err) != "header" && hasRun(in) {
		return
	}
	if !bytes.Equal(out, want) || kind(err) != kind(wantErr) {
		t.Fatalf("%x:\ngot %d bytes, %v; want %d, %v", in, len(out), err, len(want), wantErr)
	}
}

// hasRun tells whether a header of in could hold a string that is too long for compress/gzip.
func hasRun(in []byte) bool {
	run := 0
	for _, b := range in {
		if run++; b == 0 {
			run = 0
		}
		if run >= longString {
			return true
		}
	}
	return false
}

// FuzzReader: output and verdict are compress/gzip's, and do not depend on the chunks of the source.
func FuzzReader(f *testing.F) {
	for _, in := range seeds(f) {
		f.Add(in)
		f.Add(in[:len(in)*2/3])
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		checkStandard(t, in)
		out, err := ours(bytes.NewReader(in))
		if len(in) < 10_000 {
			checkChunks(t, in, out, err)
		}
	})
}

// FuzzDeflate fuzzes the blocks alone: header and trailer are put around, so that they need not be found by chance.
func FuzzDeflate(f *testing.F) {
	for _, in := range seeds(f) {
		if len(in) > headerSize+trailerSize {
			f.Add(in[headerSize : len(in)-trailerSize])
		}
	}
	f.Fuzz(func(t *testing.T, blocks []byte) { checkStandard(t, append([]byte(header(0)), blocks...)) })
}
