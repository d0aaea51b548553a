package enroll

import (
	"context"
	"fmt"
)

// PUK tells what the CA keeps of the card's PUK: never the PUK itself.
func (c *Client) PUK(ctx context.Context, card uint32) (*KeptPUK, error) {
	var out KeptPUK
	return &out, c.idempotent(ctx, "GET", pukPath(card), nil, &out)
}

// PutPUK has the CA keep a PUK that is about to be set on the card.
func (c *Client) PutPUK(ctx context.Context, card uint32, sealed SealedPUK) error {
	return c.idempotent(ctx, "PUT", pukPath(card), pukPut{sealed}, nil)
}

// ConfirmPUK tells the CA that the card has the last of the PUKs named, or one of
// the others.
func (c *Client) ConfirmPUK(ctx context.Context, card uint32, ids ...string) error {
	return c.idempotent(ctx, "POST", pukPath(card)+"/confirmation", pukConfirm{ids}, nil)
}

// AskPUK asks for the card's PUK, or returns the request that is under way.
func (c *Client) AskPUK(ctx context.Context, card uint32, reason string) (*Asked, error) {
	var out Asked
	return &out, c.idempotent(ctx, "POST", pukPath(card)+"/requests", pukAsk{reason}, &out)
}

// AskedPUK tells how a request stands.
func (c *Client) AskedPUK(ctx context.Context, card uint32, number uint64) (*Asked, error) {
	var out Asked
	return &out, c.idempotent(ctx, "GET", pukRequestPath(card, number), nil, &out)
}

// TakePUK takes the PUK that an officer has released. It can be taken once.
func (c *Client) TakePUK(ctx context.Context, card uint32, number uint64) (*ReleasedPUK, error) {
	var out ReleasedPUK
	return &out, c.once(ctx, "POST", pukRequestPath(card, number)+"/release", struct{}{}, &out)
}

func pukPath(card uint32) string { return fmt.Sprintf("/api/v1/cards/%d/puk", card) }

func pukRequestPath(card uint32, number uint64) string {
	return fmt.Sprintf("%s/requests/%d", pukPath(card), number)
}
