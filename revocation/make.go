package revocation

import (
	"context"
	"errors"
	"io/fs"
	"math/big"
	"strconv"
	"time"

	"signet/internal/audit"
	"signet/revocation/crl"
)

// make makes one CRL, which follows last; nil for the first.
func (r *round) make(ctx context.Context, s *scope, h crl.Head, last *List, entries crl.Source) (*List, error) {
	e := audit.Event{
		Time: r.now.UTC(), Actor: audit.Server, Action: "crl.sign", Object: r.issuer.ID(),
		Detail: map[string]string{"number": strconv.FormatUint(h.Number, 10)},
	}
	if s.Number != 0 {
		e.Detail["partition"] = strconv.Itoa(s.Number)
	}
	if h.Base != 0 {
		e.Detail["base"] = strconv.FormatUint(h.Base, 10)
	}
	audit.Log(ctx, r.logger, "begin", e)
	file, written, err := r.write(s, h, entries)
	if err != nil {
		audit.Log(ctx, r.logger, "failed", e)
		return nil, err
	}
	e.Detail["entries"] = strconv.Itoa(written.Entries)
	audit.Log(ctx, r.logger, "end", e)
	list := &List{
		Issuer: r.issuer.ID(), Partition: s.Number, Number: new(big.Int).SetUint64(h.Number),
		ThisUpdate: h.ThisUpdate.UTC().Truncate(time.Second), NextUpdate: h.NextUpdate.UTC().Truncate(time.Second),
		Entries: written.Entries, Size: written.Size, ETag: etag(written.Signature), Modified: modified(last, r.now), file: file,
	}
	if h.Base != 0 {
		list.Base = new(big.Int).SetUint64(h.Base)
	}
	return list, nil
}

// write writes the CRL to a file: in the folder where it will stay, or else where
// there is room. A full disk must not hide a revocation.
func (r *round) write(s *scope, h crl.Head, entries crl.Source) (*listFile, *crl.Written, error) {
	var failed error
	for _, create := range r.places(s, h.Base != 0) {
		file, err := create()
		if err == nil {
			var written *crl.Written
			if written, err = crl.Write(file, r.issuer, h, entries); err == nil {
				return file, written, nil
			}
			err = errors.Join(err, file.drop())
		}
		failed = errors.Join(failed, err)
		if disk := (*fs.PathError)(nil); !errors.As(err, &disk) {
			break
		}
		r.logger.Error("there is no room for a CRL; trying another place", "error", err)
	}
	return nil, nil, failed
}

// places are where a CRL may be, the best first. A delta is made anew at each
// start, and so needs no file that stays.
func (r *round) places(s *scope, delta bool) []func() (*listFile, error) {
	name := r.issuer.ID() + ".crl"
	if s.Number != 0 {
		name = r.issuer.ID() + "." + strconv.Itoa(s.Number) + ".crl"
	}
	places := []func() (*listFile, error){
		func() (*listFile, error) { return createList("", name) },
		func() (*listFile, error) { return &listFile{content: inMemory{new(crl.Memory)}, refs: 1}, nil },
	}
	if r.dir != "" && !delta {
		inDir := func() (*listFile, error) { return createList(r.dir, name) }
		places = append([]func() (*listFile, error){inDir}, places...)
	}
	return places
}

// modified is now, or a second after last's if that was this second too:
// If-Modified-Since has no finer grain, and must not hide a revocation.
func modified(last *List, now time.Time) time.Time {
	now = now.Truncate(time.Second)
	if last != nil && !now.After(last.Modified) {
		return last.Modified.Add(time.Second)
	}
	return now
}
