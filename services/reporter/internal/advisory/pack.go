package advisory

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// A pack is one feed's records, one JSON line each, sorted by id: equal records give equal bytes, and its name is their
// hash.

func encodePack(records []plimsoll.Advisory) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	for i := range records {
		if err := enc.Encode(&records[i]); err != nil {
			return nil, fmt.Errorf("pack record %s: %w", records[i].ID, err)
		}
		if buf.Len() > sealed.MaxObject {
			return nil, fmt.Errorf("pack: %w: more than %d bytes", plimsoll.ErrLimit, sealed.MaxObject)
		}
	}
	return buf.Bytes(), nil
}

func decodePack(b []byte) ([]plimsoll.Advisory, error) {
	d := newDecoder()
	records := make([]plimsoll.Advisory, 0, bytes.Count(b, []byte("\n")))
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(make([]byte, 0, 1<<20), len(b)+1)
	for lines.Scan() {
		var a plimsoll.Advisory
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("pack: %w: line %d: %w", plimsoll.ErrIntegrity, len(records)+1, err)
		}
		d.share(&a)
		records = append(records, a)
	}
	return records, lines.Err()
}

// share lets records of one feed hold equal strings once.
func (d *decoder) share(a *plimsoll.Advisory) {
	for i := range a.Affected {
		x := &a.Affected[i]
		x.Ecosystem, x.Package, x.Level = d.text(x.Ecosystem), d.text(x.Package), d.text(x.Level)
		for j := range x.Ranges {
			x.Ranges[j].Type = d.text(x.Ranges[j].Type)
			for k := range x.Ranges[j].Events {
				e := &x.Ranges[j].Events[k]
				e.Introduced, e.Fixed, e.LastAffected, e.Limit = d.text(e.Introduced), d.text(e.Fixed), d.text(e.LastAffected), d.text(e.Limit)
			}
		}
		for j, v := range x.Versions {
			x.Versions[j] = d.text(v)
		}
	}
}

// writePack writes the records as one object, or finds that it is there already.
func writePack(ctx context.Context, s *blob.Store, ecosystem string, records []plimsoll.Advisory) (sum string, err error) {
	b, err := encodePack(records)
	if err != nil {
		return "", err
	}
	return putPack(ctx, s, ecosystem, b)
}

func putPack(ctx context.Context, s *blob.Store, name string, b []byte) (sum string, err error) {
	sum = sumOf(b)
	key := blob.PackKey(name, sum)
	if err = s.Create(ctx, key, b); errors.Is(err, blob.ErrExists) {
		// What stands there is the same by its name, unless it is damaged: then these bytes heal it.
		there, rerr := s.Get(ctx, key)
		if err = nil; rerr != nil || sumOf(there.Bytes) != sum {
			err = s.Put(ctx, key, b)
		}
	}
	if err != nil {
		return "", fmt.Errorf("write pack of %s: %w", name, err)
	}
	return sum, nil
}

func readPack(ctx context.Context, s *blob.Store, ecosystem, sum string) ([]plimsoll.Advisory, error) {
	b, err := getPack(ctx, s, ecosystem, sum)
	if err != nil {
		return nil, err
	}
	return decodePack(b)
}

func getPack(ctx context.Context, s *blob.Store, name, sum string) ([]byte, error) {
	o, err := s.Get(ctx, blob.PackKey(name, sum))
	if err != nil {
		return nil, fmt.Errorf("read pack of %s: %w", name, err)
	}
	if got := sumOf(o.Bytes); got != sum {
		return nil, fmt.Errorf("read pack of %s: %w: it holds %.12s, its key says %.12s", name, plimsoll.ErrIntegrity, got, sum)
	}
	return o.Bytes, nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// releases are the ecosystems with a release that records name, sorted.
func releases(records []plimsoll.Advisory) []string {
	seen := map[string]bool{}
	for i := range records {
		for j := range records[i].Affected {
			if eco := records[i].Affected[j].Ecosystem; strings.Contains(eco, ":") {
				seen[eco] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
