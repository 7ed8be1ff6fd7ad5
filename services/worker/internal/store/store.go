// Package store is the worker's view of the bucket: facts, attempts, images and inventories by their keys.
//
// What is read is checked against its key; an object that does not match is dropped and counts as missing, so that it is made
// again. Workers share nothing else.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Store reads and writes objects of one recipe.
type Store struct {
	blobs     *blob.Store
	recipe    plimsoll.Recipe
	analyzers []plimsoll.Analyzer
	present   *presence
	log       *slog.Logger
}

// New makes the view of one recipe.
func New(b *blob.Store, recipe plimsoll.Recipe, analyzers []plimsoll.Analyzer, log *slog.Logger) *Store {
	return &Store{blobs: b, recipe: recipe, analyzers: analyzers, present: newPresence(time.Now), log: log}
}

// Image reads one resolved manifest; ErrNotFound when it was not resolved.
func (s *Store) Image(ctx context.Context, digest plimsoll.Digest) (plimsoll.Image, error) {
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
	return err
}

// HasInventory tells whether the whole inventory of an image is there.
func (s *Store) HasInventory(ctx context.Context, image plimsoll.Digest) (bool, error) {
	return s.blobs.Head(ctx, blob.InventoryKey(s.recipe, image))
}

// Lacking tells whether a layer lacks facts by any analyser.
func (s *Store) Lacking(ctx context.Context, layer plimsoll.Digest) (bool, error) {
	missing, err := s.Missing(ctx, layer)
	return len(missing) > 0, err
}

// Missing lists the analysers that a layer lacks facts by.
func (s *Store) Missing(ctx context.Context, layer plimsoll.Digest) (missing []plimsoll.Analyzer, err error) {
	for i, a := range s.analyzers {
		if s.present.has(i, layer) {
			continue
		}
		there, err := s.blobs.Head(ctx, blob.FactsKey(a, layer))
		if err != nil {
			return nil, fmt.Errorf("look for facts of layer %s: %w", layer.Short(), err)
		}
		if there {
			s.present.add(i, layer)
		} else {
			missing = append(missing, a)
		}
	}
	return missing, nil
}

// Facts reads one layer's facts and tells their size in JSON; ErrNotFound when they are missing.
func (s *Store) Facts(ctx context.Context, a plimsoll.Analyzer, layer plimsoll.Digest) (plimsoll.Facts, int, error) {
	key := blob.FactsKey(a, layer)
	f, size, err := readSized[plimsoll.Facts](ctx, s, key)
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

// KeepFacts writes facts. Others that are there already and can be read are kept: they were made from the same bytes by the same
// analyser, so a difference is a fault of ours, to be told and not to be fought over.
func (s *Store) KeepFacts(ctx context.Context, f plimsoll.Facts) error {
	key := blob.FactsKey(f.Analyzer, f.Layer)
	err := blob.CreateJSON(ctx, s.blobs, key, f)
	if errors.Is(err, blob.ErrExists) {
		if _, _, rerr := s.Facts(ctx, f.Analyzer, f.Layer); errors.Is(rerr, plimsoll.ErrNotFound) {
			return blob.PutJSON(ctx, s.blobs, key, f)
		} else if rerr != nil {
			return rerr
		}
		s.log.Error("facts of the same bytes differ", "layer", f.Layer, "analyzer", f.Analyzer.String())
		err = nil
	}
	if err != nil {
		return fmt.Errorf("write facts of layer %s: %w", f.Layer.Short(), err)
	}
	for i, a := range s.analyzers {
		if a == f.Analyzer {
			s.present.add(i, f.Layer)
		}
	}
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

// CountAttempt adds a failed try. Two workers that count at once may count one: a layer is then tried once more.
func (s *Store) CountAttempt(ctx context.Context, layer plimsoll.Digest, reason string) (plimsoll.Attempt, error) {
	t, err := s.Attempt(ctx, layer)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return t, err
	}
	t = plimsoll.Attempt{Layer: layer, Recipe: s.recipe, Count: t.Count + 1, Reason: reason}
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
	for i := range s.analyzers {
		if s.analyzers[i] == a {
			s.present.drop(i, layer)
		}
	}
}

// read gives an object; one that cannot be read back whole is dropped and counts as missing.
func read[T any](ctx context.Context, s *Store, key string) (T, error) {
	v, _, err := readSized[T](ctx, s, key)
	return v, err
}
