package assemble

import (
	"container/list"
	"sync"
)

// cache is a least-recently-used map bounded by the cost of what it holds. It is safe for use by many goroutines.
type cache[K comparable, V any] struct {
	mu    sync.Mutex
	max   int
	cost  int
	order *list.List // of *item, the latest used first
	items map[K]*list.Element
}

type item[K comparable, V any] struct {
	key   K
	value V
	cost  int
}

func newCache[K comparable, V any](max int) *cache[K, V] {
	return &cache[K, V]{max: max, order: list.New(), items: map[K]*list.Element{}}
}

func (c *cache[K, V]) get(key K) (v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[key]
	if !ok {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*item[K, V]).value, true
}

// put keeps a value unless it is larger than the whole cache.
func (c *cache[K, V]) put(key K, v V, cost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; ok || cost > c.max {
		return
	}
	c.items[key] = c.order.PushFront(&item[K, V]{key, v, cost})
	for c.cost += cost; c.cost > c.max; {
		last := c.order.Back()
		old := c.order.Remove(last).(*item[K, V])
		delete(c.items, old.key)
		c.cost -= old.cost
	}
}
