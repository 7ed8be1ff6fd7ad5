package house

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// A backup is one tar file. Objects stand in it as they stand in the bucket, compressed already, so the file is not compressed
// once more; any tar can list it.
//
//	plimsoll-backup.json     the head: format, when and of what it was made
//	bucket/<key>             one object each; the PAX record PLIMSOLL.sha256 has the sha256 of its uncompressed bytes
//	plimsoll-manifest.json   the end: counts, and one sha256 over all names and sums. A file without it is cut.
const (
	// backupFormat changes when an older Plimsoll could no longer restore what a newer one wrote.
	backupFormat = 1
	headName     = "plimsoll-backup.json"
	endName      = "plimsoll-manifest.json"
	objectFolder = "bucket/"
	sumRecord    = "PLIMSOLL.sha256"
	// maxDocument bounds head and end, in bytes: the positions of ten thousand streams are a quarter of it.
	maxDocument = 4 << 20
)

// Head is how a backup begins.
type Head struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"` // random: a restore that was cut goes on with the same backup alone
	Made    time.Time `json:"made"`
	Version string    `json:"version"` // of the Plimsoll that made it
	// Inventories says that images and their inventories are in it. Without them what registries still hold is read again.
	Inventories bool `json:"inventories"`
}

// End is how a backup ends.
type End struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"` // stored
	// From and To are positions of the change log: the log is in the backup up to To, and what it says after From may be newer
	// than what the backup has of tags.
	From map[string]int64 `json:"from"`
	To   map[string]int64 `json:"to"`
	// Faults are objects that were damaged and are not in it.
	Faults []string `json:"faults,omitempty"`
	// Sum is the sha256 of one line an object, in order: key, tab, sum of the uncompressed bytes, newline.
	Sum string `json:"sum"`
}

// chain sums what an archive holds.
type chain struct {
	hash    hash.Hash
	objects int
	bytes   int64
}

func newChain() *chain { return &chain{hash: sha256.New()} }

func (c *chain) add(o blob.Stored) {
	fmt.Fprintf(c.hash, "%s\t%s\n", o.Key, o.Sum)
	c.objects++
	c.bytes += int64(len(o.Bytes))
}

func (c *chain) sum() string { return hex.EncodeToString(c.hash.Sum(nil)) }

// writer writes an archive.
type writer struct {
	tar  *tar.Writer
	made time.Time
	*chain
}

func newWriter(w io.Writer, h Head) (*writer, error) {
	a := &writer{tar.NewWriter(w), h.Made, newChain()}
	return a, a.document(headName, h)
}

func (w *writer) document(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return w.entry(name, append(b, '\n'), nil)
}

func (w *writer) entry(name string, b []byte, records map[string]string) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o600, ModTime: w.made, PAXRecords: records, Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.tar.Write(b)
	return err
}

// object writes one object, which was checked.
func (w *writer) object(o blob.Stored) error {
	w.add(o)
	return w.entry(objectFolder+o.Key, o.Bytes, map[string]string{sumRecord: o.Sum})
}

func (w *writer) end(e End) error {
	e.Objects, e.Bytes, e.Sum = w.objects, w.bytes, w.sum()
	return errors.Join(w.document(endName, e), w.tar.Close())
}

// readArchive gives a backup's objects to each, every one of them checked against its sum, and checks that the archive is whole.
// Until it returns without an error nothing is known of what is missing. each may be nil.
func readArchive(r io.Reader, each func(Head, blob.Stored) error) (h Head, e End, err error) {
	t := tar.NewReader(r)
	c, keys := newChain(), map[string]bool{}
	for n := 0; ; n++ {
		entry, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return h, e, broken("it is cut: the end is missing")
		case err != nil:
			return h, e, broken("no valid tar: %v", err)
		case entry.Typeflag != tar.TypeReg:
			return h, e, broken("%.120q is no plain file", entry.Name)
		case n == 0:
			if err := readHead(t, entry, &h); err != nil {
				return h, e, err
			}
		case entry.Name == endName:
			if err := document(t, entry, &e); err != nil {
				return h, e, err
			}
			if e.Objects != c.objects || e.Bytes != c.bytes || e.Sum != c.sum() {
				return h, e, broken("its end tells of %d objects with sum %.12s, and it holds %d with %.12s", e.Objects, e.Sum, c.objects, c.sum())
			}
			if _, err := t.Next(); !errors.Is(err, io.EOF) {
				return h, e, broken("something follows its end")
			}
			return h, e, nil
		default:
			o, err := object(t, entry)
			if err != nil {
				return h, e, err
			}
			if keys[o.Key] {
				return h, e, broken("%.120q is in it twice", o.Key)
			}
			keys[o.Key] = true
			c.add(o)
			if each == nil {
				continue
			}
			if err := each(h, o); err != nil {
				return h, e, err
			}
		}
	}
}

func readHead(t *tar.Reader, entry *tar.Header, h *Head) error {
	if entry.Name != headName {
		return broken("it begins with %.80q: no backup of Plimsoll's", entry.Name)
	}
	if err := document(t, entry, h); err != nil {
		return err
	}
	if h.Format != backupFormat {
		return fmt.Errorf("backup: %w: format %d, made by %.40s; this Plimsoll reads format %d: restore with the version that made it, or a newer one",
			plimsoll.ErrUnsupported, h.Format, h.Version, backupFormat)
	}
	return nil
}

func document(t *tar.Reader, entry *tar.Header, v any) error {
	if entry.Size > maxDocument {
		return broken("%s has %d bytes", entry.Name, entry.Size)
	}
	if err := json.NewDecoder(t).Decode(v); err != nil {
		return broken("%s: %v", entry.Name, err)
	}
	return nil
}

// object reads one object and checks it.
func object(t *tar.Reader, entry *tar.Header) (blob.Stored, error) {
	key, ok := strings.CutPrefix(entry.Name, objectFolder)
	if !ok {
		return blob.Stored{}, broken("%.120q is no part of a backup", entry.Name)
	}
	o := blob.Stored{Key: key, Sum: entry.PAXRecords[sumRecord]}
	if err := checkKey(key); err != nil {
		return o, broken("%v", err)
	}
	if entry.Size > sealed.MaxStored {
		return o, fmt.Errorf("backup: %w: %s has %d bytes", plimsoll.ErrLimit, key, entry.Size)
	}
	var b bytes.Buffer // grows with what is there, not with what the header claims
	if _, err := io.Copy(&b, t); err != nil {
		return o, broken("%s: %v", key, err)
	}
	o.Bytes = b.Bytes()
	if _, err := sealed.Open(o.Bytes, o.Sum); err != nil {
		return o, fmt.Errorf("backup: %s: %w", key, err)
	}
	return o, nil
}

func broken(format string, args ...any) error {
	return fmt.Errorf("backup: %w: "+format, append([]any{plimsoll.ErrIntegrity}, args...)...)
}
