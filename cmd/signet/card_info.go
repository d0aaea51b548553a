package main

import (
	"crypto/x509"
	"errors"

	"github.com/urfave/cli/v2"

	"signet/internal/command"
	"signet/internal/dn"
	"signet/piv"
)

func cardInfoCommand() *cli.Command {
	return &cli.Command{
		Name: "info", Usage: "show what a card holds, without its PIN",
		Flags:  flags(command.JSON(), serialFlag()),
		Action: runCardInfo,
	}
}

// A cardInfo is what a card tells without its PIN.
type cardInfo struct {
	piv.Info
	PINTries int  `json:"pin_tries"`
	PUKTries *int `json:"puk_tries,omitempty"` // where the card tells
	// FactoryPIN and FactoryPUK: where the card tells.
	FactoryPIN *bool `json:"factory_pin,omitempty"`
	FactoryPUK *bool `json:"factory_puk,omitempty"`

	FactoryManagementKey bool            `json:"factory_management_key"`
	ManagementKey        managementInfo  `json:"management_key"`
	Identifiers          piv.Identifiers `json:"identifiers"`
	Slots                []slotInfo      `json:"slots"`
}

// A managementInfo says who can manage a card: "factory" is anyone, "protected by PIN" whoever
// has the PIN; "unknown" is neither, as far as can be seen without the PIN.
type managementInfo struct {
	State string `json:"state"`
	piv.Management
}

type slotInfo struct {
	Slot        string        `json:"slot"`
	Algorithm   piv.Algorithm `json:"algorithm,omitempty"`
	PINPolicy   string        `json:"pin_policy,omitempty"`
	TouchPolicy string        `json:"touch_policy,omitempty"`
	Generated   bool          `json:"generated"`
	Subject     string        `json:"subject,omitempty"`
	Serial      string        `json:"serial,omitempty"`
	NotAfter    string        `json:"not_after,omitempty"`
	// Unreadable is a certificate that is there and can't be read.
	Unreadable bool `json:"unreadable,omitempty"`
	cert       *x509.Certificate
}

func runCardInfo(c *cli.Context) error {
	card, err := findCard(c)
	if err != nil {
		return err
	}
	defer card.Close()
	info := cardInfo{Info: card.Info()}
	if err := info.readSecrets(c, card); err != nil {
		return err
	}
	if info.Identifiers, err = card.Identifiers(c.Context); err != nil {
		return err
	}
	if info.Slots, err = readSlots(c, card); err != nil {
		return err
	}
	return report(c, info, func() { printCard(c, info) })
}

func (info *cardInfo) readSecrets(c *cli.Context, card piv.Card) (err error) {
	if info.PINTries, err = card.PINTries(c.Context); err != nil {
		return err
	}
	left, known, err := card.PUKTries(c.Context)
	if err != nil {
		return err
	}
	if known {
		info.PUKTries = &left
	}
	factory, err := card.FactorySecrets(c.Context)
	if err != nil {
		return err
	}
	if factory.Known {
		info.FactoryPIN, info.FactoryPUK = &factory.PIN, &factory.PUK
	}
	m, err := card.Management(c.Context)
	info.FactoryManagementKey, info.ManagementKey = m.Factory, managementInfo{managementState(m), m}
	return err
}

func managementState(m piv.Management) string {
	switch {
	case m.Factory:
		return "factory"
	case m.Protected:
		return "protected by PIN"
	}
	return "unknown"
}

// readSlots is what is in the slots that are not empty: the keys first, then the certificates,
// since a card takes turns for the two.
func readSlots(c *cli.Context, card piv.Card) ([]slotInfo, error) {
	keys, used := map[piv.Slot]piv.Key{}, []slotInfo{}
	for _, s := range piv.Slots() {
		key, err := card.Key(c.Context, s)
		if err == nil {
			keys[s] = key
		} else if vanished(c, err) {
			return nil, err
		}
	}
	for _, s := range piv.Slots() {
		cert, err := card.Certificate(c.Context, s)
		if err != nil && vanished(c, err) {
			return nil, err
		}
		key, hasKey := keys[s]
		if hasKey || cert != nil || !errors.Is(err, piv.ErrEmpty) {
			used = append(used, slotOf(s, key, hasKey, cert, err))
		}
	}
	return used, nil
}

// vanished reports whether nothing more can be read from the card.
func vanished(c *cli.Context, err error) bool {
	return errors.Is(err, piv.ErrRemoved) || errors.Is(err, piv.ErrOtherCard) || errors.Is(err, piv.ErrNoService) ||
		errors.Is(err, piv.ErrInUse) || c.Context.Err() != nil
}

func slotOf(s piv.Slot, key piv.Key, hasKey bool, cert *x509.Certificate, certErr error) slotInfo {
	out := slotInfo{Slot: s.String(), cert: cert, Unreadable: certErr != nil && !errors.Is(certErr, piv.ErrEmpty)}
	if hasKey {
		out.Algorithm, out.Generated = key.Algorithm, key.Generated
		out.PINPolicy, out.TouchPolicy = key.PINPolicy.String(), key.TouchPolicy.String()
	}
	if cert != nil {
		out.Subject = dn.String(cert.RawSubject)
		out.Serial, out.NotAfter = serialOf(cert), cert.NotAfter.UTC().Format("2006-01-02T15:04:05Z")
	}
	return out
}

func printCard(c *cli.Context, info cardInfo) {
	printf(c, "%s\n", cardLine(info.Info))
	printf(c, "PIN tries left: %d%s\n", info.PINTries, factoryNote(info.FactoryPIN, info.PINTries))
	if info.PUKTries != nil {
		printf(c, "PUK tries left: %d%s\n", *info.PUKTries, factoryNote(info.FactoryPUK, *info.PUKTries))
	} else {
		printf(c, "PUK tries left: the card doesn't tell\n")
	}
	switch info.ManagementKey.State {
	case "factory":
		printf(c, "The management key (%s) is the factory's: \"signet card setup\" or \"signet enroll\" replaces it.\n", info.ManagementKey.Algorithm)
	case "unknown":
		printf(c, "The management key (%s) is not the factory's, and the card doesn't say that it keeps it: \"signet card setup\" looks under the PIN.\n", info.ManagementKey.Algorithm)
	default:
		printf(c, "The management key (%s) is on the card, protected by the PIN.\n", info.ManagementKey.Algorithm)
	}
	printIdentifiers(c, info.Identifiers)
	for _, s := range info.Slots {
		printSlot(c, s)
	}
	if len(info.Slots) == 0 {
		printf(c, "No keys.\n")
	}
}

func factoryNote(factory *bool, tries int) string {
	switch {
	case tries == 0:
		return " (blocked)"
	case factory != nil && *factory:
		return " (the factory's: replace it)"
	}
	return ""
}

func printIdentifiers(c *cli.Context, ids piv.Identifiers) {
	chuid, ccc := "none", "none"
	if ids.CHUID {
		chuid = "there"
		if ids.GUID != "" {
			chuid = ids.GUID
		}
	}
	if ids.CCC {
		ccc = "there"
	}
	printf(c, "CHUID: %s. CCC: %s.\n", chuid, ccc)
}

func printSlot(c *cli.Context, s slotInfo) {
	printf(c, "Slot %s: ", s.Slot)
	if s.Algorithm == "" {
		printf(c, "no key\n")
	} else {
		origin := "imported"
		if s.Generated {
			origin = "generated on the card"
		}
		printf(c, "%s, PIN %s, touch %s, %s\n", s.Algorithm, s.PINPolicy, s.TouchPolicy, origin)
	}
	if s.cert != nil {
		describe(c.App.Writer, s.cert)
	}
	if s.Unreadable {
		printf(c, "  a certificate that can't be read\n")
	}
}
