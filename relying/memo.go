package relying

import "sync"

// A memo remembers at most two generations of size values: what was asked for
// since the generation before the last began. Zero is not ready: see newMemo.
type memo[V any] struct {
	size int

	mu         sync.Mutex // owns the fields below
	young, old map[memoKey]V
}

type memoKey [32]byte // a SHA-256

func newMemo[V any](size int) *memo[V] {
	return &memo[V]{size: max(1, size/2), young: map[memoKey]V{}}
}

func (m *memo[V]) get(key memoKey) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(key)
}

// find moves what it finds in the old generation to the young one. mu is held.
func (m *memo[V]) find(key memoKey) (V, bool) {
	if v, ok := m.young[key]; ok {
		return v, true
	}
	v, ok := m.old[key]
	if ok {
		m.add(key, v)
	}
	return v, ok
}

func (m *memo[V]) put(key memoKey, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, v)
}

// getOr returns what is there, or else what make gives, and remembers that.
func (m *memo[V]) getOr(key memoKey, make func() V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.find(key)
	if !ok {
		v = make()
		m.add(key, v)
	}
	return v
}

func (m *memo[V]) add(key memoKey, v V) {
	if len(m.young) >= m.size {
		m.old, m.young = m.young, map[memoKey]V{}
	}
	m.young[key] = v
}
