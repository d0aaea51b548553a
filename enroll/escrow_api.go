package enroll

import (
	"errors"
	"net/http"
	"strconv"
)

// A KeptPUK is what the owner of a card is told of its PUK: never the PUK.
type KeptPUK struct {
	Card uint32 `json:"card"`
	// Current names the PUK that the card has, "" where none was confirmed; Pending
	// those that it may have. One that this CA's escrow key doesn't open is as none.
	Current string   `json:"current,omitempty"`
	Pending []string `json:"pending"`
}

func (x *Escrow) keptOf(e Escrowed) KeptPUK {
	out := KeptPUK{Card: e.Card, Pending: []string{}}
	if x.opens(e.Current) {
		out.Current = e.Current.ID
	}
	for _, k := range e.Pending {
		out.Pending = append(out.Pending, k.ID)
	}
	return out
}

// A ReleasedPUK is a PUK that was given out: those that the card may have, the
// likeliest first, and the key to seal its successor with.
type ReleasedPUK struct {
	Card      uint32 `json:"card"`
	PUKs      []PUK  `json:"puks"`
	EscrowKey []byte `json:"escrow_key"`
}

// A PUK is one that the card may have.
type PUK struct {
	ID  string `json:"id"`
	PUK string `json:"puk"`
}

// An Asked is a request for a PUK as its owner sees it, and the key to seal its
// successor with.
type Asked struct {
	PUKRequest
	EscrowKey []byte `json:"escrow_key"`
}

// The bodies of requests.
type (
	pukPut struct {
		Sealed []byte `json:"sealed"`
	}
	pukConfirm struct {
		IDs []string `json:"ids"`
	}
	pukAsk struct {
		Reason string `json:"reason,omitempty"`
	}
)

func (e *Enroller) routeCards(mux *http.ServeMux) {
	e.route(mux, "/api/v1/cards/{card}/puk", map[string]call{"GET": e.getPUK, "PUT": e.putPUK})
	e.route(mux, "/api/v1/cards/{card}/puk/confirmation", map[string]call{"POST": e.postPUKConfirmation})
	e.route(mux, "/api/v1/cards/{card}/puk/requests", map[string]call{"POST": e.postPUKRequest})
	e.route(mux, "/api/v1/cards/{card}/puk/requests/{number}", map[string]call{"GET": e.getPUKRequest})
	e.route(mux, "/api/v1/cards/{card}/puk/requests/{number}/release", map[string]call{"POST": e.postPUKRelease})
}

// cardOfPath is the serial number in the path, in its one form.
func cardOfPath(r *http.Request) (uint32, error) {
	n, ok := parseCardSerial(r.PathValue("card"))
	if !ok {
		return 0, ErrNotFound
	}
	return n, nil
}

// parseCardSerial reads a card's serial number in its one form.
func parseCardSerial(text string) (serial uint32, ok bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n != 0 && strconv.FormatUint(n, 10) == text
}

// mayKeep refuses who may neither enroll for a profile with escrow nor replace a PUK
// that is kept already. A spent code is good for the request that it was spent on.
func (e *Enroller) mayKeep(r *http.Request, id *Identity, card uint32) error {
	kept, err := e.store.Escrowed(r.Context(), card, id.Account.Name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := id.mayAsk(kept.Request); err != nil {
		return err
	}
	if err == nil || e.mayEscrow(&id.Account) {
		return nil
	}
	return refuse("escrow.profile", "none of the account's profiles has its cards' PUKs kept")
}

// mayEscrow reports whether the account may enroll for a profile that wants PUKs kept.
func (e *Enroller) mayEscrow(a *Account) bool {
	for name, p := range e.policy.Load().profiles {
		if p.Plan.PUKEscrow && a.mayAt(name, e.now()) {
			return true
		}
	}
	return false
}

// mayAsk refuses a code that was spent on anything but that request, and one that
// stands for a certificate.
func (id *Identity) mayAsk(request uint64) error {
	if id.code == nil || id.code.SpentOn == nil {
		return nil
	}
	if *id.code.SpentOn != (PUKRequest{Number: request}).Digest() {
		return refuse("code.spent", "the code has been used")
	}
	return nil
}

func (e *Enroller) getPUK(r *http.Request, id *Identity, _ []byte) (answer, error) {
	card, err := cardOfPath(r)
	if err != nil {
		return answer{}, err
	}
	kept, err := e.store.Escrowed(r.Context(), card, id.Account.Name)
	if errors.Is(err, ErrNotFound) {
		kept, err = Escrowed{Card: card}, nil
	}
	return answer{http.StatusOK, e.escrow.keptOf(kept)}, err
}

func (e *Enroller) putPUK(r *http.Request, id *Identity, body []byte) (answer, error) {
	card, err := cardOfPath(r)
	if err != nil {
		return answer{}, err
	}
	sealed, err := parsePUK(body)
	if err != nil {
		return answer{}, err
	}
	if err := e.mayKeep(r, id, card); err != nil {
		return answer{}, err
	}
	// What is put is set on the card next: not on one that is of no use to the account.
	if err := e.usable(r.Context(), card, id.Account.Name); err != nil {
		return answer{}, err
	}
	kept, err := e.escrow.put(r.Context(), card, id.Account.Name, sealed)
	return answer{http.StatusOK, e.escrow.keptOf(kept)}, err
}

// parsePUK reads the body of a PUT.
func parsePUK(body []byte) (SealedPUK, error) {
	var in pukPut
	if err := parse(body, &in); err != nil {
		return nil, err
	}
	sealed, err := ParseSealedPUK(in.Sealed)
	if err != nil {
		return nil, &formError{"sealed is no PUK that was sealed as docs/api.md says"}
	}
	return sealed, nil
}

// maxConfirmed is how many PUKs a confirmation may name.
const maxConfirmed = maxPending + 1

func (e *Enroller) postPUKConfirmation(r *http.Request, id *Identity, body []byte) (answer, error) {
	card, err := cardOfPath(r)
	if err != nil {
		return answer{}, err
	}
	var in pukConfirm
	if err := parse(body, &in); err != nil {
		return answer{}, err
	}
	if len(in.IDs) == 0 || len(in.IDs) > maxConfirmed {
		return answer{}, &formError{"ids names the PUK that the card has"}
	}
	if err := e.mayKeep(r, id, card); err != nil {
		return answer{}, err
	}
	kept, err := e.escrow.confirm(r.Context(), card, id.Account.Name, in.IDs)
	return answer{http.StatusOK, e.escrow.keptOf(kept)}, err
}

func (e *Enroller) postPUKRequest(r *http.Request, id *Identity, body []byte) (answer, error) {
	card, err := cardOfPath(r)
	if err != nil {
		return answer{}, err
	}
	reason, err := parsePUKReason(body)
	if err != nil {
		return answer{}, err
	}
	if id.code != nil && id.code.Renews != nil {
		return answer{}, refuse("credential.kind", "the code is for a renewal alone")
	}
	out, err := e.escrow.request(r.Context(), id, card, reason)
	return answer{http.StatusOK, e.asked(out)}, err
}

// parsePUKReason reads the body of a request for a PUK.
func parsePUKReason(body []byte) (string, error) {
	var in pukAsk
	if err := parse(body, &in); err != nil {
		return "", err
	}
	return in.Reason, checkPUKReason(in.Reason)
}

func (e *Enroller) asked(r PUKRequest) Asked {
	out := Asked{PUKRequest: r}
	if key, err := e.escrow.public(); err == nil {
		out.EscrowKey = key.Bytes()
	}
	return out
}

// pukRequestOf reads the path of a request, and refuses who may not see it.
func (e *Enroller) pukRequestOf(r *http.Request, id *Identity) (card uint32, number uint64, err error) {
	if card, err = cardOfPath(r); err != nil {
		return 0, 0, err
	}
	text := r.PathValue("number")
	number, err = strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(number, 10) != text {
		return 0, 0, ErrNotFound
	}
	return card, number, id.mayAsk(number)
}

func (e *Enroller) getPUKRequest(r *http.Request, id *Identity, _ []byte) (answer, error) {
	card, number, err := e.pukRequestOf(r, id)
	if err != nil {
		return answer{}, err
	}
	out, err := e.escrow.requested(r.Context(), id.Account.Name, card, number)
	return answer{http.StatusOK, e.asked(out)}, err
}

// postPUKRelease is a POST: what it gives, it gives once.
func (e *Enroller) postPUKRelease(r *http.Request, id *Identity, _ []byte) (answer, error) {
	card, number, err := e.pukRequestOf(r, id)
	if err != nil {
		return answer{}, err
	}
	out, err := e.escrow.release(r.Context(), id.Account.Name, card, number)
	return answer{http.StatusOK, out}, err
}
