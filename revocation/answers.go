package revocation

import "sync"

// answers are the kept ones, bounded in octets. Two queues say who leaves first when
// there is no room: of those signed ahead that nobody has asked for, the oldest
// certificate's; then, of those asked for, the one that wasn't for longest.
type answers struct {
	mu     sync.RWMutex // owns all below
	byKey  map[answerKey]*kept
	ahead  queue // of those signed ahead, the youngest certificate's first
	asked  queue // of those asked for, the last one signed or weighed first
	octets int64
	limit  int64
	era    int // counts how often all was forgotten
}

// A queue is a list that its elements are links of.
type queue struct{ first, last *kept }

func (a *answers) get(key answerKey) *kept {
	a.mu.RLock()
	k := a.byKey[key]
	a.mu.RUnlock()
	return k
}

// put keeps k, which was asked for, unless what is kept is right for a later state
// of the store.
func (a *answers) put(k *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.byKey[k.key]; old != nil {
		if old.revision.Load() > k.revision.Load() {
			return
		}
		a.remove(old)
	}
	if a.makeRoom(k.octets(), nil) {
		a.insert(k)
		a.asked.pushFront(k)
	}
}

// add keeps k, which nobody has asked for, behind the answer about the certificate
// that is next younger; nil where k's is the youngest. It returns the one that the
// next older's comes behind; false where there was no room: none leaves for one
// about an older certificate.
func (a *answers) add(k, behind *kept) (next *kept, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKey[k.key] != nil {
		return behind, true // somebody has asked in between
	}
	if behind != nil && behind.queue == nil {
		return nil, false // even that one had to leave
	}
	if behind != nil && behind.queue != &a.ahead {
		behind = nil // it was asked for in between
	}
	if !a.makeRoom(k.octets(), &place{behind}) {
		return nil, false
	}
	a.insert(k)
	a.ahead.pushBehind(k, behind)
	return k, true
}

// find is get for whoever signs ahead: it also tells whether nobody has asked for
// the answer.
func (a *answers) find(key answerKey) (k *kept, unasked bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	k = a.byKey[key]
	return k, k != nil && k.queue == &a.ahead
}

// replace puts k where old is, unless another has taken its place by now: in the
// queue of those that somebody asked for, or behind the same one as old.
func (a *answers) replace(old, k *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKey[k.key] != old || old.revision.Load() > k.revision.Load() {
		return
	}
	switch asked := old.asked.Load(); {
	case asked:
		a.asked.pushFront(k)
	case old.queue == &a.ahead:
		a.ahead.pushBehind(k, old)
	default:
		a.ahead.pushBehind(k, a.ahead.last) // it leaves first
	}
	a.remove(old)
	a.insert(k)
	a.makeRoom(0, nil) // signatures differ by an octet or two
}

// insert counts k in; its queue is the caller's business.
func (a *answers) insert(k *kept) {
	if a.byKey == nil {
		a.byKey = make(map[answerKey]*kept)
	}
	a.byKey[k.key] = k
	a.octets += k.octets()
}

// A place is behind which answer one is to be that was not asked for.
type place struct{ behind *kept }

// maxChances bounds how many answers are passed over, since they were asked for
// again, before one leaves all the same.
const maxChances = 64

// makeRoom lets answers go until n octets fit, and reports whether they do. For an
// answer that was not asked for, with p its place, only others such leave that would
// stand behind it.
func (a *answers) makeRoom(n int64, p *place) bool {
	for chances := maxChances; a.octets+n > a.limit; {
		ahead, asked := a.ahead.last, a.asked.last
		switch {
		case ahead != nil && ahead.asked.Load():
			ahead.asked.Store(false)
			a.ahead.remove(ahead)
			a.asked.pushFront(ahead)
		case p != nil && (ahead == nil || ahead == p.behind):
			return false
		case ahead != nil:
			a.remove(ahead)
		case asked == nil:
			return false
		case chances > 0 && asked.asked.Load():
			chances--
			asked.asked.Store(false)
			a.asked.remove(asked)
			a.asked.pushFront(asked)
		default:
			a.remove(asked)
		}
	}
	return true
}

// remove forgets k; the caller holds mu.
func (a *answers) remove(k *kept) {
	k.queue.remove(k)
	delete(a.byKey, k.key)
	a.octets -= k.octets()
}

// forget forgets k, if it is still the one that is kept.
func (a *answers) forget(k *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byKey[k.key] == k {
		a.remove(k)
	}
}

// clear forgets all.
func (a *answers) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byKey, a.ahead, a.asked, a.octets = nil, queue{}, queue{}, 0
	a.era++
}

// setLimit changes the bound, and lets go of what is beyond it.
func (a *answers) setLimit(octets int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limit = octets
	a.makeRoom(0, nil)
}

// room reports whether an eighth is free, and how often all was forgotten so far.
func (a *answers) room() (free bool, era int) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.octets < a.limit-a.limit/8, a.era
}

// due are the answers that it is time to renew at that second, those that were asked
// for first.
func (a *answers) due(second int64) (due []*kept) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, q := range []*queue{&a.asked, &a.ahead} {
		for k := q.first; k != nil; k = k.forw {
			if second >= k.renewable() || second < k.produced {
				due = append(due, k)
			}
		}
	}
	return due
}

func (q *queue) pushFront(k *kept) {
	k.queue, k.prev, k.forw = q, nil, q.first
	if q.first != nil {
		q.first.prev = k
	} else {
		q.last = k
	}
	q.first = k
}

// pushBehind puts k behind at; nil for the front.
func (q *queue) pushBehind(k, at *kept) {
	if at == nil {
		q.pushFront(k)
		return
	}
	k.queue, k.prev, k.forw = q, at, at.forw
	if at.forw != nil {
		at.forw.prev = k
	} else {
		q.last = k
	}
	at.forw = k
}

func (q *queue) remove(k *kept) {
	if k.prev != nil {
		k.prev.forw = k.forw
	} else {
		q.first = k.forw
	}
	if k.forw != nil {
		k.forw.prev = k.prev
	} else {
		q.last = k.prev
	}
	k.queue, k.prev, k.forw = nil, nil, nil
}
