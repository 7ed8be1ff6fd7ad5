package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plimsoll/plimsoll/services/internal/blob"
)

const (
	// fleetAtOnce is how many images are in work at once, as a sweep has them: enough that the same base is wanted by many.
	fleetAtOnce = 16
	// fleetSlots is each worker's: with one core each, a second layer fills the waits of the first.
	fleetSlots = 2
)

// fleetRun is one cold run of 50 images with a number of workers that have one core each.
type fleetRun struct {
	workers int
	wall    time.Duration
	cpu     time.Duration
	served  int64 // bytes of layers that the registry sent
	unique  int64 // bytes of the layers, each once
}

// measureFleet runs the fleet with one and with two workers, taking turns.
func measureFleet(ctx context.Context, o options, b *bed, bases []image, say func(string, ...any)) (all []fleetRun, err error) {
	images, err := fleetImages(o, bases)
	if err != nil {
		return nil, err
	}
	unique := map[string]int64{}
	for _, i := range images {
		b.registry.add(i)
		for digest, size := range i.Facts.Layers {
			unique[digest] = size
		}
	}
	for range o.fleet {
		for _, workers := range []int{1, 2} {
			r, err := b.fleet(ctx, o.variants[len(o.variants)-1], images, workers)
			if err != nil {
				return nil, fmt.Errorf("%d workers: %w", workers, err)
			}
			for _, size := range unique {
				r.unique += size
			}
			say("%d images, %d workers: %.1f s", len(images), workers, r.wall.Seconds())
			all = append(all, r)
		}
	}
	return all, nil
}

// fleet is one cold run: layers are routed by digest, as the scheduler routes them.
func (b *bed) fleet(ctx context.Context, v variant, images []image, n int) (r fleetRun, err error) {
	bucket, remove := b.newBucket()
	defer remove()
	// Made before the workers, which would otherwise all try to.
	store, err := blob.Open(ctx, bucket)
	if err != nil {
		return r, err
	}
	store.Close()
	var workers []*workerProcess
	defer func() {
		for _, w := range workers {
			w.stop()
		}
	}()
	var addresses []string
	for range n {
		w, err := b.start(ctx, v, bucket, fleetSlots, "GOMAXPROCS=1")
		if err != nil {
			return r, err
		}
		workers, addresses = append(workers, w), append(addresses, w.address)
	}
	c, err := dial(ctx, addresses)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := each(ctx, 2*n, n, func(ctx context.Context, _ int) error { _, err := c.scan(ctx, b.warmUp, 1); return err }); err != nil {
		return r, fmt.Errorf("warm up: %w", err)
	}
	b.registry.layerBytes()
	before, err := usages(workers)
	if err != nil {
		return r, err
	}
	start := time.Now()
	err = each(ctx, len(images), fleetAtOnce, func(ctx context.Context, k int) error {
		_, err := c.scan(ctx, images[k], fleetSlots)
		return err
	})
	r.workers, r.wall, r.served = n, time.Since(start), b.registry.layerBytes()
	after, uerr := usages(workers)
	r.cpu = after - before
	return r, errors.Join(err, uerr)
}

func usages(workers []*workerProcess) (sum time.Duration, err error) {
	for _, w := range workers {
		u, err := w.account.usage()
		if err != nil {
			return 0, err
		}
		sum += u
	}
	return sum, nil
}
