package layer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plimsoll/plimsoll/services/internal/imagetest"
)

// told is what one reader of tars says of an archive: each entry with its content, and the error that ended it.
type told struct {
	entries []string
	err     error
}

// listen reads a tar with next and body. Of every third entry it reads a part of the content alone, of every third none.
func listen(next func() (*Header, error), body io.Reader) (t told) {
	for {
		h, err := next()
		if err != nil {
			t.err = err
			return t
		}
		var content bytes.Buffer
		switch limit := int64(1 << 20); len(t.entries) % 3 {
		case 0:
			_, err = io.Copy(&content, io.LimitReader(body, limit))
		case 1:
			_, err = io.CopyN(&content, body, 700)
		}
		t.entries = append(t.entries, fmt.Sprintf("%+v %s %v", *h, brief(content.Bytes()), err))
	}
}

func brief(b []byte) string { return fmt.Sprintf("%d %.16q", len(b), b) }

// compare reads an uncompressed tar both ways: by us, and by archive/tar alone.
func compare(t *testing.T, b []byte) {
	t.Helper()
	ours := entries{s: newTarStream(bytes.NewReader(b), int64(len(b)), DefaultLimits(), new(atomic.Int64))}
	got := listen(ours.next, &ours)
	theirs := tar.NewReader(bytes.NewBuffer(b))
	want := listen(func() (*Header, error) {
		h, err := theirs.Next()
		if err != nil {
			return nil, err
		}
		converted := headerOf(h)
		return &converted, nil
	}, theirs)
	if diff := cmp.Diff(want.entries, got.entries); diff != "" {
		t.Errorf("entries, - archive/tar's, + ours:\n%s", diff)
	}
	if !errors.Is(got.err, want.err) {
		t.Errorf("ended with %v, archive/tar with %v", got.err, want.err)
	}
}

// archives are tars of all forms that archive/tar writes, and the hostile ones.
func archives(t testing.TB) map[string][]byte {
	all := map[string][]byte{"nothing": nil, "zeros": make([]byte, 5000), "end mark": make([]byte, 1024), "half a header": make([]byte, 100)}
	long := strings.Repeat("folder/", 30)
	moment := time.Unix(1_700_000_000, 0)
	for name, format := range map[string]tar.Format{"ustar": tar.FormatUSTAR, "pax": tar.FormatPAX, "gnu": tar.FormatGNU} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		headers := []tar.Header{
			{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
			{Name: "bin/a", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 2000, Uid: 1000, Uname: "owner", ModTime: moment},
			{Name: "bin/empty", Typeflag: tar.TypeReg, Mode: 0o644},
			{Name: "bin/b", Typeflag: tar.TypeLink, Linkname: "bin/a"},
			{Name: "bin/c", Typeflag: tar.TypeSymlink, Linkname: "../bin/a"},
			{Name: "dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
			{Name: "pipe", Typeflag: tar.TypeFifo},
			{Name: "block", Typeflag: tar.TypeReg, Size: 512},
			{Name: strings.Repeat("d", 90) + "/" + strings.Repeat("f", 60), Typeflag: tar.TypeReg, Size: 3},
			{Name: strings.Repeat("n", 100), Typeflag: tar.TypeReg, Size: 1, Linkname: ""},
			{Name: "big", Typeflag: tar.TypeReg, Size: 200_000},
		}
		if format != tar.FormatUSTAR {
			headers = append(headers,
				tar.Header{Name: long + "file", Typeflag: tar.TypeReg, Size: 5},
				tar.Header{Name: long + "link", Typeflag: tar.TypeSymlink, Linkname: long + "target"},
				tar.Header{Name: "héllo", Typeflag: tar.TypeReg, Size: 5, ModTime: moment.Add(time.Millisecond), AccessTime: moment},
			)
		}
		if format == tar.FormatPAX {
			headers[1].PAXRecords = map[string]string{paxCapability: "\x01\x00\x00\x02"}
			headers = append(headers, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "of all"}})
		}
		headers = append(headers, tar.Header{Name: "last", Typeflag: tar.TypeReg, Size: 513, Mode: 0o600})
		for _, h := range headers {
			if h.Format = format; !h.ModTime.IsZero() && format == tar.FormatUSTAR {
				h.ModTime = h.ModTime.Truncate(time.Second)
			}
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(name, h.Name, err)
			}
			if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		all[name] = b.Bytes()
	}
	star := bytes.Clone(all["ustar"]) // a form of its own: it has a mark in its last bytes, and times after a shorter prefix
	header := star[512:1024]
	copy(header[345:476], bytes.Repeat([]byte("p"), 131))
	copy(header[476:], "00000000001 00000000002 ")
	copy(header[508:], "tar\x00")
	copy(fieldChecksum.of(header), fmt.Sprintf("%06o\x00 ", checksum(header)))
	all["star"] = star
	for _, c := range imagetest.Hostile() {
		if len(c.Layer) < 1<<20 {
			all[c.Name] = c.Layer
		}
	}
	return all
}

func TestEntries(t *testing.T) {
	t.Parallel()
	for name, b := range archives(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compare(t, b)
			for _, cut := range []int{1, 100, 511, 512, 513, 700, 1024, 1025, 1536} {
				if cut < len(b) {
					compare(t, b[:len(b)-cut])
				}
			}
		})
	}
}

// TestEntriesAnyByte changes each byte of a header in turn, with the checksum made right again and without.
func TestEntriesAnyByte(t *testing.T) {
	t.Parallel()
	all := archives(t)
	for _, name := range []string{"ustar", "gnu"} {
		b := bytes.Clone(all[name][:8<<10])
		header := b[512:1024] // of bin/a
		for i := range header {
			for _, c := range []byte{0, ' ', '0', '7', '8', 'S', 'x', 0x80, 0xff} {
				was := bytes.Clone(header)
				header[i] = c
				compare(t, b)
				if i < fieldChecksum.at || i >= fieldChecksum.at+fieldChecksum.size {
					copy(fieldChecksum.of(header), fmt.Sprintf("%06o\x00 ", checksum(header)))
					compare(t, b)
				}
				copy(header, was)
				if t.Failed() {
					t.Fatalf("%s with byte %d = %#x", name, i, c)
				}
			}
		}
	}
}

func FuzzEntries(f *testing.F) {
	for _, b := range archives(f) {
		if len(b) < 20<<10 {
			f.Add(b, false)
			f.Add(b, true)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		if right { // checksums are made right wherever a header may stand, so that what they guard is reached
			b = bytes.Clone(b)
			for i := 0; i+tarBlock <= len(b); i += tarBlock {
				if block := b[i : i+tarBlock]; string(block[magicAt:magicAt+5]) == "ustar" {
					copy(fieldChecksum.of(block), fmt.Sprintf("%06o\x00 ", checksum(block)))
				}
			}
		}
		compare(t, b)
	})
}
