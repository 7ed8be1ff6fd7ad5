package house

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// object checks one object: its sum, its form, and that what it says of itself is what its key says.
func (c *check) object(ctx context.Context, k *kind, o blob.Stored) error {
	if err := checkKey(o.Key); err != nil {
		return wrong("%v", err)
	}
	if k.prefix == blob.PrefixPosture { // a file for tools of others: not sealed
		if sealed.Sum(o.Bytes) != o.Sum {
			return wrong("its bytes are not those that its metadata names")
		}
		return nil
	}
	b, err := sealed.Open(o.Bytes, o.Sum)
	if err != nil {
		return err
	}
	switch k.prefix {
	case blob.PrefixPacks:
		if sealed.Sum(b) != path.Base(o.Key) {
			return wrong("its content is that of another pack")
		}
		return nil
	case blob.PrefixReports, blob.PrefixOwn: // files as people download them, and records as they were given
		return nil
	}
	var v self
	if err := json.Unmarshal(b, &v.any); err != nil {
		return wrong("no valid JSON: %v", err)
	}
	check := selves[k.prefix]
	if check == nil {
		return nil
	}
	want, err := check(c, ctx, b)
	if err != nil || want == "" || want == o.Key {
		return err
	}
	return wrong("it says of itself that it is %.200s", want)
}

// self only asks whether bytes are JSON.
type self struct{ any json.RawMessage }

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{plimsoll.ErrIntegrity}, args...)...)
}

// selves give the key that an object's content belongs to, by part; "" for any.
var selves = map[string]func(c *check, ctx context.Context, b []byte) (string, error){
	blob.PrefixFacts: of(func(v struct {
		Layer    plimsoll.Digest   `json:"layer"`
		Analyzer plimsoll.Analyzer `json:"analyzer"`
	}) string {
		return blob.FactsKey(v.Analyzer, v.Layer)
	}),
	blob.PrefixAttempts: of(func(v struct {
		Layer  plimsoll.Digest `json:"layer"`
		Recipe plimsoll.Recipe `json:"recipe"`
	}) string {
		return blob.AttemptsKey(v.Recipe, v.Layer)
	}),
	blob.PrefixImages:      of(func(v plimsoll.Image) string { return blob.ImageKey(v.Digest) }),
	blob.PrefixInventories: of(func(v inventoryHead) string { return blob.InventoryKey(v.Recipe, v.Image) }),
	blob.PrefixPartial:     of(func(v inventoryHead) string { return blob.PartialKey(v.Recipe, v.Image) }),
	blob.PrefixSweeps:      of(func(v plimsoll.Sweep) string { return blob.SweepKey(v.Registry, v.Slot) }),
	blob.PrefixEvents:      of(func(v plimsoll.PushEvents) string { return blob.PrefixEvents + v.Registry + "/" + v.Day }),
	blob.PrefixChanges:     changeKey,
	blob.PrefixRefs: of(func(v plimsoll.RefShard) string {
		if v.Shard == 0 && len(v.Tags) == 0 || v.Width == 0 {
			return "" // the switch, or a shard that is being retired: repositories looks at them
		}
		return blob.RefKey(v.Registry, v.Repository, v.Width, v.Shard)
	}),
	blob.PrefixPolicy:      of(func(v plimsoll.Policy) string { return blob.PrefixPolicy + v.Name + "/" + v.Digest.Hex() }),
	blob.PrefixGenerations: (*check).generation,
	"keys/": of(func(v struct {
		Key []byte `json:"key"`
	}) string {
		if len(v.Key) != fingerprintBytes {
			return "a key of another length"
		}
		return blob.FingerprintKey
	}),
	"history/": (*check).findings,
}

// fingerprintBytes is the length of the key of fingerprints (services/worker/internal/store/fingerprint.go).
const fingerprintBytes = 32

type inventoryHead struct {
	Image  plimsoll.Digest `json:"image"`
	Recipe plimsoll.Recipe `json:"recipe"`
}

func of[T any](key func(T) string) func(*check, context.Context, []byte) (string, error) {
	return func(_ *check, _ context.Context, b []byte) (string, error) {
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return "", wrong("no valid JSON of this kind: %v", err)
		}
		return key(v), nil
	}
}

// changeKey is the key of a batch, or of batches that were merged.
func changeKey(_ *check, _ context.Context, b []byte) (string, error) {
	var v struct {
		Stream   string                 `json:"stream"`
		Sequence int64                  `json:"sequence"`
		First    int64                  `json:"first"`
		Last     int64                  `json:"last"`
		Batches  []plimsoll.ChangeBatch `json:"batches"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return "", wrong("no valid JSON of this kind: %v", err)
	}
	if v.Last == 0 {
		return blob.ChangeKey(v.Stream, v.Sequence), nil
	}
	for i, x := range v.Batches {
		if x.Stream != v.Stream || x.Sequence != v.First+int64(i) {
			return "", wrong("it holds %.80s %d as number %d", x.Stream, x.Sequence, v.First+int64(i))
		}
	}
	if int64(len(v.Batches)) != v.Last-v.First+1 {
		return "", wrong("it holds %d batches of %d to %d", len(v.Batches), v.First, v.Last)
	}
	return blob.MergedKey(v.Stream, v.First, v.Last), nil
}

// generation checks that the packs of a generation stand.
func (c *check) generation(ctx context.Context, b []byte) (string, error) {
	var g plimsoll.Generation
	if err := json.Unmarshal(b, &g); err != nil {
		return "", wrong("no valid JSON of this kind: %v", err)
	}
	for _, key := range blob.PackKeys(g) {
		if err := checkKey(key); err != nil {
			return "", wrong("%v", err)
		}
		there, asked := c.packs[key]
		if !asked {
			var err error
			if there, err = c.store.Head(ctx, key); err != nil {
				return "", err
			}
			c.packs[key] = there
		}
		if !there {
			delete(c.packs, key) // it is asked for again
			return "", wrong("its pack %s is missing", key)
		}
	}
	return blob.GenerationKey(g.ID), nil
}

// findings checks that the shards of the history of findings stand, which its head names.
func (c *check) findings(ctx context.Context, b []byte) (string, error) {
	var h findingsHead
	if json.Unmarshal(b, &h) != nil {
		return "", nil // a shard
	}
	for n, key := range h.Shards {
		if !strings.HasPrefix(key, blob.PrefixHistory) || checkKey(key) != nil {
			return "", wrong("it names %.200q as shard %d", key, n)
		}
		if there, err := c.store.Head(ctx, key); err != nil {
			return "", err
		} else if !there {
			return "", wrong("its shard %s is missing", key)
		}
	}
	return "", nil
}
