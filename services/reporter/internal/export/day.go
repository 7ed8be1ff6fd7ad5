package export

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/reporter/internal/columns"
	"github.com/plimsoll/plimsoll/services/reporter/internal/posture"
)

// Keys of a file's metadata.
const (
	metaAt         = "plimsoll.at"         // the moment that it is as of, RFC 3339
	metaGeneration = "plimsoll.generation" // of the advisories
	metaPolicy     = "plimsoll.policy"     // its digest
	metaPositions  = "plimsoll.positions"  // of the change log, by stream, as JSON
	metaFaults     = "plimsoll.faults"     // what of the bucket could not be read, as JSON: the file may lack something
)

// Write writes every stored image of a view as of now.
func Write(ctx context.Context, w io.Writer, v *posture.View, now time.Time, version string) error {
	about := columns.About{Name: "posture", Version: version, Sorted: sorted, Metadata: map[string]string{
		metaAt: now.UTC().Format(time.RFC3339), metaGeneration: v.Generation().ID, metaPolicy: string(v.Policy().Digest),
	}}
	for key, value := range map[string]any{metaPositions: v.Position(), metaFaults: append([]string{}, v.Faults()...)} {
		b, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		about.Metadata[key] = string(b)
	}
	return columns.Write(ctx, w, Lines(v, now), about)
}

// Day puts the posture of today (UTC) into the bucket, unless a file of today is there: written says whether this call did. The
// file is made in folder first (empty: the system's temporary one), because it may be large. Of two that do this at once one
// file stays.
func Day(ctx context.Context, store *blob.Store, v *posture.View, now time.Time, folder, version string) (written bool, err error) {
	if there, err := only(ctx, store, now); there || err != nil {
		return false, err
	}
	if err := put(ctx, store, v, now, folder, version); err != nil {
		return false, fmt.Errorf("export of the day: %w", err)
	}
	_, err = only(ctx, store, now)
	return err == nil, err
}

// writeAtOnce is how many bytes go to the file at a time.
const writeAtOnce = 1 << 20

// put makes the file and uploads it.
func put(ctx context.Context, store *blob.Store, v *posture.View, now time.Time, folder, version string) error {
	f, err := scratch(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(f, sum), writeAtOnce)
	if err := Write(ctx, out, v, now, version); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	key := blob.PostureKey(now, cmp.Or(v.Generation().ID, "none"), v.Position())
	err = store.CreateFile(ctx, key, columns.MediaType, f, size, hex.EncodeToString(sum.Sum(nil)))
	if errors.Is(err, blob.ErrExists) {
		return nil // another reporter has the same
	}
	return err
}

// scratch is a file without a name: a crash leaves nothing behind.
func scratch(folder string) (*os.File, error) {
	if folder != "" {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(folder, "posture-*.parquet")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// only leaves the first file of a day and removes any other, so that nobody counts a day twice: whoever writes looks afterwards,
// and the last to look sees all. there says whether the day has one.
func only(ctx context.Context, store *blob.Store, day time.Time) (there bool, err error) {
	var more []string
	for e, err := range store.List(ctx, blob.PosturePrefix(day), "") {
		if err != nil {
			return false, fmt.Errorf("export of the day: %w", err)
		}
		if there {
			more = append(more, e.Key)
		}
		there = true
	}
	for _, key := range more {
		if err := store.Delete(ctx, key); err != nil {
			return there, fmt.Errorf("export of the day: a second file: %w", err)
		}
	}
	return there, nil
}
