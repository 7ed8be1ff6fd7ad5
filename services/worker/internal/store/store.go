// Package store is the worker's view of the bucket: facts, attempts, images and inventories by their keys.
//
// What is read is checked against its key; an object that does not match is dropped and counts as missing, so that it is made
// again. Workers share nothing else.
package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// Store reads and writes objects of one recipe.
type Store struct {
	blobs     *blob.Store
	recipe    plimsoll.Recipe
	analyzers []plimsoll.Analyzer
	present   *presence
	recent    *recent
	log       *slog.Logger
}

// New makes the view of one recipe.
func New(b *blob.Store, recipe plimsoll.Recipe, analyzers []plimsoll.Analyzer, log *slog.Logger) *Store {
	return &Store{blobs: b, recipe: recipe, analyzers: analyzers, present: newPresence(time.Now), recent: newRecent(), log: log}
}

// Now is the time by the bucket's clock.
func (s *Store) Now() time.Time { return s.blobs.Now() }

// Image reads one resolved manifest; ErrNotFound when it was not resolved.
func (s *Store) Image(ctx context.Context, digest plimsoll.Digest) (plimsoll.Image, error) {
	if mine, ok := s.recent.take(blob.ImageKey(digest)); ok {
		return mine.(plimsoll.Image), nil
	}
	img, err := read[plimsoll.Image](ctx, s, blob.ImageKey(digest))
	if err == nil && img.Digest != digest {
		return plimsoll.Image{}, s.foreign(ctx, blob.ImageKey(digest))
	}
	return img, err
}

// KeepImage writes one resolved manifest. One that is there already is kept: the same manifest gives the same image, but for a
// platform that only its index names.
func (s *Store) KeepImage(ctx context.Context, img plimsoll.Image) error {
	err := blob.CreateJSON(ctx, s.blobs, blob.ImageKey(img.Digest), img)
	if errors.Is(err, blob.ErrExists) {
		return nil
	}
	if err == nil {
		s.recent.put(blob.ImageKey(img.Digest), img, imageBytes*(1+len(img.Layers)))
	}
	return err
}

// imageBytes is about what an image takes in memory for each layer, and without any.
const imageBytes = 512

// HasInventory tells whether the whole inventory of an image is there.
func (s *Store) HasInventory(ctx context.Context, image plimsoll.Digest) (bool, error) {
	return s.blobs.Head(ctx, blob.InventoryKey(s.recipe, image))
}

// Inventory reads the whole inventory of an image, and gives its key; ErrNotFound when there is none.
func (s *Store) Inventory(ctx context.Context, image plimsoll.Digest) (plimsoll.Inventory, string, error) {
	key := blob.InventoryKey(s.recipe, image)
	inv, err := read[plimsoll.Inventory](ctx, s, key)
	if err == nil && (inv.Image != image || inv.Recipe != s.recipe) {
		return plimsoll.Inventory{}, "", s.foreign(ctx, key)
	}
	return inv, key, err
}

// Lacking tells whether a layer lacks facts by any analyser. The first that it lacks settles it.
func (s *Store) Lacking(ctx context.Context, layer plimsoll.Digest) (bool, error) {
	for _, a := range s.analyzers {
		if lacks, err := s.Lacks(ctx, a, layer); lacks || err != nil {
			return lacks, err
		}
	}
	return false, nil
}

// Missing lists the analysers that a layer lacks facts by.
func (s *Store) Missing(ctx context.Context, layer plimsoll.Digest) ([]plimsoll.Analyzer, error) {
	return s.missing(ctx, layer, s.analyzers)
}

// missing asks for all that is not known at once: a push waits for it.
func (s *Store) missing(ctx context.Context, layer plimsoll.Digest, of []plimsoll.Analyzer) (missing []plimsoll.Analyzer, err error) {
	var unknown []plimsoll.Analyzer
	for _, a := range of {
		if !s.present.has(slices.Index(s.analyzers, a), layer) {
			unknown = append(unknown, a)
		}
	}
	there := make([]bool, len(unknown))
	err = atOnce(len(unknown), func(i int) (err error) {
		there[i], err = s.blobs.Head(ctx, blob.FactsKey(unknown[i], layer))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for facts of layer %s: %w", layer.Short(), err)
	}
	for i, a := range unknown {
		if there[i] {
			s.present.add(slices.Index(s.analyzers, a), layer)
		} else {
			missing = append(missing, a)
		}
	}
	return missing, nil
}

// atOnce calls do for 0 … n-1 at the same time, waits for all and gives the first error by number.
func atOnce(n int, do func(i int) error) error {
	if n == 1 {
		return do(0)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return cmp.Or(errs...)
}

// Facts reads one layer's facts and tells their size in JSON; ErrNotFound when they are missing.
func (s *Store) Facts(ctx context.Context, a plimsoll.Analyzer, layer plimsoll.Digest) (plimsoll.Facts, int, error) {
	key := blob.FactsKey(a, layer)
	f, size, err := s.facts(ctx, key)
	if err == nil && (f.Layer != layer || f.Analyzer != a) {
		err = s.foreign(ctx, key)
	}
	if errors.Is(err, plimsoll.ErrNotFound) {
		s.forget(a, layer)
	}
	if err != nil {
		return plimsoll.Facts{}, 0, err
	}
	return f, size, nil
}

// facts are those that this worker has just written, else the bucket's.
func (s *Store) facts(ctx context.Context, key string) (f plimsoll.Facts, size int, err error) {
	if mine, ok := s.recent.take(key); ok {
		wrote := mine.(Sealed)
		if b, err := sealed.Open(wrote.Bytes, wrote.Sum); err == nil && json.Unmarshal(b, &f) == nil {
			return f, len(b), nil
		}
	}
	return readSized[plimsoll.Facts](ctx, s, key)
}

// Lacks tells whether a blob lacks facts by one analyser.
func (s *Store) Lacks(ctx context.Context, a plimsoll.Analyzer, digest plimsoll.Digest) (bool, error) {
	missing, err := s.missing(ctx, digest, []plimsoll.Analyzer{a})
	return len(missing) > 0, err
}

// Sealed are facts as they are stored: sealed bytes and the sha256 of what is in them.
type Sealed struct {
	Analyzer plimsoll.Analyzer
	Bytes    []byte
	Sum      string
}

// KeepFacts writes facts, all at once. Others that are there already and can be read are kept: they were made from the same bytes
// by the same analyser, so a difference is a fault of ours, to be told and not to be fought over.
func (s *Store) KeepFacts(ctx context.Context, layer plimsoll.Digest, facts ...Sealed) error {
	return atOnce(len(facts), func(i int) error { return s.keep(ctx, layer, facts[i]) })
}

func (s *Store) keep(ctx context.Context, layer plimsoll.Digest, f Sealed) error {
	key := blob.FactsKey(f.Analyzer, layer)
	err := s.blobs.CreateSealed(ctx, key, f.Bytes, f.Sum)
	if errors.Is(err, blob.ErrExists) {
		return s.reconcile(ctx, key, layer, f)
	}
	if err != nil {
		return fmt.Errorf("write facts of layer %s: %w", layer.Short(), err)
	}
	s.recent.put(key, f, len(f.Bytes))
	s.present.add(slices.Index(s.analyzers, f.Analyzer), layer)
	return nil
}

// reconcile is for facts that are there already: equal ones are success, unreadable ones are written again.
func (s *Store) reconcile(ctx context.Context, key string, layer plimsoll.Digest, f Sealed) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write facts of layer %s: %w", layer.Short(), err)
			return
		}
		s.present.add(slices.Index(s.analyzers, f.Analyzer), layer)
	}()
	there, err := s.blobs.Get(ctx, key)
	if err == nil && sealed.Sum(there.Bytes) == f.Sum {
		return nil
	}
	switch _, _, err := s.Facts(ctx, f.Analyzer, layer); {
	case errors.Is(err, plimsoll.ErrNotFound):
		return s.blobs.PutSealed(ctx, key, f.Bytes, f.Sum)
	case err != nil:
		return err
	}
	s.log.Error("facts of the same bytes differ", "layer", layer, "analyzer", f.Analyzer.String())
	return nil
}

// Attempt reads the failed tries of a layer; ErrNotFound when there are none.
func (s *Store) Attempt(ctx context.Context, layer plimsoll.Digest) (plimsoll.Attempt, error) {
	key := blob.AttemptsKey(s.recipe, layer)
	t, err := read[plimsoll.Attempt](ctx, s, key)
	if err == nil && (t.Layer != layer || t.Recipe != s.recipe) {
		return plimsoll.Attempt{}, s.foreign(ctx, key)
	}
	return t, err
}

// CountAttempt adds a failed try: of one analyser, or, with an empty name, of the layer's bytes. Two workers that count at once
// may count one: a layer is then tried once more.
func (s *Store) CountAttempt(ctx context.Context, layer plimsoll.Digest, analyzer, reason string) (plimsoll.Attempt, error) {
	t, err := s.Attempt(ctx, layer)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return t, err
	}
	t.Layer, t.Recipe = layer, s.recipe
	if analyzer == "" {
		t.Count, t.Reason = t.Count+1, reason
	} else {
		if t.Analyzers == nil {
			t.Analyzers = map[string]plimsoll.AnalyzerAttempt{}
		}
		t.Analyzers[analyzer] = plimsoll.AnalyzerAttempt{Count: t.Analyzers[analyzer].Count + 1, Reason: reason}
	}
	return t, blob.PutJSON(ctx, s.blobs, blob.AttemptsKey(s.recipe, layer), t)
}

// ClearAttempts drops the failed tries of a layer that was read after all.
func (s *Store) ClearAttempts(ctx context.Context, layer plimsoll.Digest) error {
	return s.blobs.Delete(ctx, blob.AttemptsKey(s.recipe, layer))
}

// Keep writes a whole inventory and drops the partial one.
func (s *Store) Keep(ctx context.Context, inv plimsoll.Inventory) (string, error) {
	key := blob.InventoryKey(inv.Recipe, inv.Image)
	err := blob.CreateJSON(ctx, s.blobs, key, inv)
	if errors.Is(err, blob.ErrExists) {
		s.log.Error("inventories of the same facts differ", "image", inv.Image, "recipe", inv.Recipe)
		err = blob.PutJSON(ctx, s.blobs, key, inv)
	}
	if err != nil {
		return "", err
	}
	if err := s.blobs.Delete(ctx, blob.PartialKey(inv.Recipe, inv.Image)); err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return "", fmt.Errorf("drop the partial inventory: %w", err)
	}
	return key, nil
}

// KeepPartial writes the inventory of an image that still has a layer without facts.
func (s *Store) KeepPartial(ctx context.Context, inv plimsoll.Inventory) (string, error) {
	key := blob.PartialKey(inv.Recipe, inv.Image)
	return key, blob.PutJSON(ctx, s.blobs, key, inv)
}

// foreign drops an object whose content does not belong to its key, and gives ErrNotFound.
func (s *Store) foreign(ctx context.Context, key string) error {
	s.log.Error("object does not match its key and is dropped", "key", key)
	if err := s.blobs.Delete(ctx, key); err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return fmt.Errorf("drop %s: %w", key, err)
	}
	return fmt.Errorf("%s: %w: its content belongs to another key", key, plimsoll.ErrNotFound)
}

func (s *Store) forget(a plimsoll.Analyzer, layer plimsoll.Digest) {
	s.present.drop(slices.Index(s.analyzers, a), layer)
}

// read gives an object; one that cannot be read back whole is dropped and counts as missing.
func read[T any](ctx context.Context, s *Store, key string) (T, error) {
	v, _, err := readSized[T](ctx, s, key)
	return v, err
}
