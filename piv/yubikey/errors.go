//go:build cgo || windows

package yubikey

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ebfe/scard"
	pivgo "github.com/go-piv/piv-go/v2/piv"

	"signet/piv"
)

// causes are PC/SC's return codes as piv-go words them. It keeps the code in
// an unexported type, and loses even that where a certificate is written, so
// that the text at the error's end is all there is to go by. A test
// provokes each that matters.
var causes = map[string]error{
	"the Smart card resource manager is not running":                                            piv.ErrNoService,  // 8010001D
	"the Smart card resource manager has shut down":                                             piv.ErrNoService,  // 8010001E
	"an internal communications error has been detected":                                        piv.ErrNoService,  // 80100013: pcscd died
	"access was denied because of a security violation":                                         piv.ErrNotAllowed, // 8010006A
	"cannot find a smart card reader":                                                           piv.ErrNoCard,     // 8010002E
	"the smart card cannot be accessed because of other connections outstanding":                piv.ErrInUse,      // 8010000B
	"the supplied handle was invalid":                                                           piv.ErrRemoved,    // 80100003
	"the specified reader name is not recognized":                                               piv.ErrRemoved,    // 80100009
	"the operation requires a Smart Card, but no Smart Card is currently in the device":         piv.ErrRemoved,    // 8010000C
	"the specified reader is not currently available for use":                                   piv.ErrRemoved,    // 80100017
	"a communications error with the smart card has been detected. More..":                      piv.ErrRemoved,    // 8010002F
	"the smart card is not responding to a reset":                                               piv.ErrRemoved,    // 80100066
	"power has been removed from the smart card, so that further communication is not possible": piv.ErrRemoved,    // 80100067
	"the smart card has been reset, so any shared state information is invalid":                 piv.ErrRemoved,    // 80100068
	"scard response too short: 0":                                                               piv.ErrRemoved,    // a real pcscd's, for a command that the card didn't live to answer
	"the smart card has been removed, so further communication is not possible":                 piv.ErrRemoved,    // 80100069
}

// codes are the same return codes on our own connection, which keeps them.
var codes = map[scard.Error]error{
	scard.ErrNoService:          piv.ErrNoService,
	scard.ErrServiceStopped:     piv.ErrNoService,
	scard.ErrCommError:          piv.ErrNoService,
	scard.ErrSecurityViolation:  piv.ErrNotAllowed,
	scard.ErrNoReadersAvailable: piv.ErrNoCard,
	scard.ErrSharingViolation:   piv.ErrInUse,
	scard.ErrInvalidHandle:      piv.ErrRemoved,
	scard.ErrUnknownReader:      piv.ErrRemoved,
	scard.ErrNoSmartcard:        piv.ErrRemoved,
	scard.ErrReaderUnavailable:  piv.ErrRemoved,
	scard.ErrCommDataLost:       piv.ErrRemoved,
	scard.ErrUnresponsiveCard:   piv.ErrRemoved,
	scard.ErrUnpoweredCard:      piv.ErrRemoved,
	scard.ErrResetCard:          piv.ErrRemoved,
	scard.ErrRemovedCard:        piv.ErrRemoved,
}

// The status words that mean something to us (ISO 7816-4, Section 5.6).
const (
	swOK          = 0x9000
	swSecurity    = 0x6982
	swBlocked     = 0x6983
	swConditions  = 0x6985
	swWrongData   = 0x6a80
	swUnsupported = 0x6a81
	swNotFound    = 0x6a82
	swNoMemory    = 0x6a84
	swWrongP1P2   = 0x6a86
	swNoReference = 0x6a88
	swInstruction = 0x6d00
)

// mapError says what was being done, and wraps the sentinel that fits. PIN and
// PUK errors are for [mapSecret].
func mapError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if cause := causeOf(err); cause != nil {
		if cause == piv.ErrInUse {
			return fmt.Errorf("%s: %w: %s", doing, cause, holder())
		}
		return fmt.Errorf("%s: %w", doing, cause)
	}
	if errors.Is(err, pivgo.ErrNotFound) {
		return fmt.Errorf("%s: %w", doing, piv.ErrEmpty)
	}
	switch statusOf(err) {
	case swNotFound, swNoReference:
		return fmt.Errorf("%s: %w", doing, piv.ErrEmpty)
	case swNoMemory:
		return fmt.Errorf("%s: %w", doing, piv.ErrFull)
	case swWrongData, swUnsupported, swWrongP1P2, swInstruction:
		return fmt.Errorf("%s: %w (%v)", doing, piv.ErrUnsupported, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// causeOf is what PC/SC means; nil where the error is not PC/SC's.
func causeOf(err error) error {
	var code scard.Error
	if errors.As(err, &code) {
		return codes[code]
	}
	for text, cause := range causes {
		if strings.HasSuffix(err.Error(), text) {
			return cause
		}
	}
	return nil
}

// mapSecret is mapError for what presents a PIN or PUK.
func mapSecret(doing, what string, blocked, err error) error {
	left, is := triesIn(err)
	switch {
	case !is:
		return mapError(doing, err)
	case left == 0:
		return blocked
	}
	return &piv.WrongPINError{What: what, Tries: left}
}

// mapManagement is mapError for what wants the management key.
func mapManagement(doing string, err error) error {
	if statusOf(err) == swSecurity {
		return fmt.Errorf("%s: %w", doing, piv.ErrManagement)
	}
	return mapError(doing, err)
}

// statusOf is the status word that the card answered with; 0 where it is none.
func statusOf(err error) uint16 {
	var s interface{ Status() uint16 }
	if errors.As(err, &s) {
		return s.Status()
	}
	return 0
}
