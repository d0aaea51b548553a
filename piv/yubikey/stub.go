//go:build !cgo && !windows

package yubikey

import (
	"context"

	"signet/piv"
)

// List returns the YubiKeys that are plugged in.
func List(context.Context) ([]piv.Info, error) { return nil, piv.ErrNoSupport }

// Open opens the YubiKey with that serial number, or the only one for 0.
func Open(context.Context, uint32) (piv.Card, error) { return nil, piv.ErrNoSupport }
