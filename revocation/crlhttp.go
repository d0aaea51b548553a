package revocation

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"signet/revocation/crl"
)

// scopeOf is what the CRL of that name covers: "{id}" or "{id}/{n}", with
// ".delta" at its end for the delta.
func (h *handler) scopeOf(name string) (s Scope, delta, ok bool) {
	name, delta = strings.CutSuffix(name, ".delta")
	id, n, partition := strings.Cut(name, "/")
	if h.ids[id] == nil {
		return s, false, false
	}
	s.Issuer = id
	if partition {
		// The one way to write the number: caches should not keep a CRL under many names.
		if s.Partition, _ = strconv.Atoi(n); s.Partition < 1 || strconv.Itoa(s.Partition) != n {
			return s, false, false
		}
		ok = h.publisher.has(s)
		return s, delta, ok
	}
	return s, delta, true
}

func (h *handler) serveCRL(w http.ResponseWriter, r *http.Request, s Scope, delta bool) {
	if delta && *h.publisher.deltas.Load() == "" {
		http.NotFound(w, r)
		return
	}
	lists, open, err := openAll(func() ([]*List, error) {
		if l := h.publisher.CurrentOf(s, delta); l != nil {
			return []*List{l}, nil
		}
		return nil, errors.New("there is no CRL of this issuer yet")
	})
	if err != nil {
		unavailable(w, err.Error())
		return
	}
	defer closeAll(open)
	w.Header().Set("Content-Type", crl.ContentType)
	h.serveLists(w, r, lists, lists[0].ETag, open[0])
}

// serveBundle serves the PEM of the complete CRL of every level.
func (h *handler) serveBundle(w http.ResponseWriter, r *http.Request) {
	lists, open, err := openAll(h.publisher.Lists)
	if err != nil {
		unavailable(w, err.Error())
		return
	}
	defer closeAll(open)
	var tags strings.Builder
	var texts joined
	for i, l := range lists {
		tags.WriteString(l.ETag)
		text := crl.NewPEM(open[i], l.Size)
		texts = append(texts, io.NewSectionReader(text, 0, text.Size()))
	}
	w.Header().Set("Content-Type", pemContentType)
	h.serveLists(w, r, lists, etag([]byte(tags.String())), io.NewSectionReader(texts, 0, texts.size()))
}

// serveLists serves what was made of lists, under the date of the last of them,
// unless that is still to come: lists of one second have dates of their own
// (List.Modified), and a clock may be set back, but no answer may be younger
// than itself (RFC 9110, Section 8.8.2.1). The entity tag is there in any case.
func (h *handler) serveLists(w http.ResponseWriter, r *http.Request, lists []*List, tag string, data io.ReadSeeker) {
	next, modified := lists[0].NextUpdate, lists[0].Modified
	for _, l := range lists[1:] {
		if l.NextUpdate.Before(next) {
			next = l.NextUpdate
		}
		if l.Modified.After(modified) {
			modified = l.Modified
		}
	}
	if modified.After(h.now()) {
		modified = time.Time{}
	}
	w.Header().Set("Cache-Control", h.maxAge(next))
	w.Header().Set("ETag", tag)
	one := h.publisher.downloads.begin(w)
	defer one.done()
	http.ServeContent(one, r, "", modified, data)
}

// maxCRLAge is how long a cache may keep a CRL that will be good for longer,
// so that a revocation is not hidden behind it for days.
const maxCRLAge = time.Minute

// maxAge lets caches keep a CRL for a moment, and never past nextUpdate.
func (h *handler) maxAge(nextUpdate time.Time) string {
	age := min(nextUpdate.Sub(h.now()), maxCRLAge)
	return fmt.Sprintf("public, max-age=%d", max(0, int(age/time.Second)))
}

// maxOpens bounds how often a list may be replaced in the moment between looking
// it up and opening it.
const maxOpens = 100

// openAll opens the lists that are current.
func openAll(current func() ([]*List, error)) (lists []*List, open []*OpenList, err error) {
	for range maxOpens {
		if lists, err = current(); err != nil {
			return nil, nil, err
		}
		if open, err = openEach(lists); err == nil {
			return lists, open, nil
		}
		if !errors.Is(err, os.ErrClosed) {
			break
		}
	}
	return nil, nil, err
}

func openEach(lists []*List) (open []*OpenList, err error) {
	for _, l := range lists {
		o, err := l.Open()
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, o)
	}
	return open, nil
}

// closeAll closes what was only read: that can't fail in a way that matters.
func closeAll(open []*OpenList) {
	for _, o := range open {
		_ = o.Close()
	}
}

// joined is one text after the other.
type joined []*io.SectionReader

func (j joined) size() (n int64) {
	for _, part := range j {
		n += part.Size()
	}
	return n
}

// ReadAt is that of [io.ReaderAt].
func (j joined) ReadAt(b []byte, off int64) (n int, err error) {
	for _, part := range j {
		if off >= part.Size() {
			off -= part.Size()
			continue
		}
		got, err := part.ReadAt(b[n:], off)
		n += got
		if n == len(b) {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		off = 0
	}
	return n, io.EOF
}
