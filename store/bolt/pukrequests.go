package bolt

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"signet/enroll"
	"signet/internal/audit"
)

// AddPUKRequest implements [enroll.EscrowStore].
func (s *Store) AddPUKRequest(ctx context.Context, r enroll.PUKRequest, code *[32]byte, limit enroll.RequestLimit, e audit.Event) (out enroll.PUKRequest, fresh bool, err error) {
	err = s.update(ctx, func(t *tx) (err error) {
		kept, err := t.escrowed(r.Card, r.Account)
		if err != nil {
			return err
		}
		if kept.Proven.IsZero() {
			return enroll.ErrNotFound
		}
		if err := t.releasable(r); err != nil {
			return err
		}
		if out, err = t.aliveRequest(&kept, r); err != nil {
			return err
		}
		if fresh = out.Number == 0; !fresh {
			return t.spendOnRequest(code, out)
		}
		if !kept.MayAsk(r.Created, limit) {
			return enroll.ErrTooOften
		}
		out, err = t.newPUKRequest(&kept, r, code, e)
		return err
	})
	if err != nil {
		return enroll.PUKRequest{}, false, err
	}
	return out, fresh, nil
}

// releasable refuses where the card is lost, retired or by now another's.
func (t *tx) releasable(r enroll.PUKRequest) error {
	c, err := t.usable(r.Card)
	switch {
	case errors.Is(err, enroll.ErrNotFound):
		return nil
	case err == nil && c.Account != "" && c.Account != r.Account:
		return enroll.ErrCardAssigned
	}
	return err
}

// aliveRequest is the card's last request, if it is still alive when r is made; else zero.
func (t *tx) aliveRequest(kept *enroll.Escrowed, r enroll.PUKRequest) (enroll.PUKRequest, error) {
	if kept.Request == 0 {
		return enroll.PUKRequest{}, nil
	}
	last, err := t.pukRequest(kept.Request)
	if errors.Is(err, enroll.ErrNotFound) || err == nil && !last.At(r.Created).Alive() {
		return enroll.PUKRequest{}, nil
	}
	return last, err
}

// newPUKRequest checks the code before it changes anything.
func (t *tx) newPUKRequest(kept *enroll.Escrowed, r enroll.PUKRequest, code *[32]byte, e audit.Event) (enroll.PUKRequest, error) {
	if code != nil {
		if _, err := t.spendable(*code, r.Account); err != nil {
			return r, err
		}
	}
	var err error
	if r.Number, err = t.next(bucketPUKRequests); err != nil {
		return r, err
	}
	r.State = enroll.PUKOpen
	kept.Request, kept.Asked = r.Number, append(kept.Asked, r.Created)
	detail := maps.Clone(e.Detail)
	if detail == nil {
		detail = map[string]string{}
	}
	detail["request"] = strconv.FormatUint(r.Number, 10)
	e.Detail = detail
	event, err := newEvent(e)
	if err != nil {
		return r, err
	}
	return r, errors.Join(t.spendOnRequest(code, r), t.putPUKRequest(r), t.putEscrowed(*kept), t.log(event))
}

// spendOnRequest spends the code on r, unless that was done before.
func (t *tx) spendOnRequest(code *[32]byte, r enroll.PUKRequest) error {
	if code == nil {
		return nil
	}
	digest := r.Digest()
	c, err := t.code(*code)
	if err == nil && c.Account == r.Account && c.SpentOn != nil && *c.SpentOn == digest {
		return nil
	}
	if c, err = t.spendable(*code, r.Account); err != nil {
		return err
	}
	return t.spend(c, digest)
}

// PUKRequest implements [enroll.EscrowStore].
func (s *Store) PUKRequest(ctx context.Context, number uint64) (r enroll.PUKRequest, err error) {
	err = s.view(ctx, func(t *tx) (err error) {
		r, err = t.pukRequest(number)
		return err
	})
	return r, err
}

// PUKRequests implements [enroll.EscrowStore].
func (s *Store) PUKRequests(ctx context.Context) (all []enroll.PUKRequest, err error) {
	err = s.view(ctx, func(t *tx) error {
		for _, record := range pairs(t.Bucket(bucketPUKRequests).Cursor(), nil) {
			r, err := readPUKRequest(record)
			if err != nil {
				return err
			}
			all = append(all, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// DecidePUKRequest implements [enroll.EscrowStore].
func (s *Store) DecidePUKRequest(ctx context.Context, number uint64, d enroll.PUKDecision, e audit.Event) (r enroll.PUKRequest, err error) {
	event, err := newEvent(e)
	if err != nil {
		return r, err
	}
	err = s.update(ctx, func(t *tx) (err error) {
		if r, err = t.pukRequest(number); err != nil {
			return err
		}
		if !d.Decide(&r) {
			return enroll.ErrNotOpen
		}
		return errors.Join(t.putPUKRequest(r), t.log(event))
	})
	return r, err
}

func (t *tx) pukRequest(number uint64) (enroll.PUKRequest, error) {
	record := t.get(bucketPUKRequests, pukRequestKey(number))
	if record == nil {
		return enroll.PUKRequest{}, enroll.ErrNotFound
	}
	return readPUKRequest(record)
}

func (t *tx) putPUKRequest(r enroll.PUKRequest) error {
	record, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing request %d: %w", r.Number, err)
	}
	return t.put(bucketPUKRequests, pukRequestKey(r.Number), record)
}

func readPUKRequest(record []byte) (r enroll.PUKRequest, err error) {
	if err := json.Unmarshal(record, &r); err != nil {
		return r, fmt.Errorf("%w: a request for a PUK: %w", ErrCorrupt, err)
	}
	return r, nil
}

func pukRequestKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }
