package enroll

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"signet/internal/cardserials"
	"signet/piv"
)

// A DeviceConfig says which cards a profile lets in, beside what PlanConfig says of it. What
// is about single cards stays on the server: a plan's JSON, which clients get, leaves it out.
type DeviceConfig struct {
	// CSPN lets in only cards with ANSSI's certification.
	CSPN bool `toml:"cspn" json:"cspn,omitempty"`
	// BlockedFirmware are versions not let in: "4.2.0-4.3.4", "5.4.2", or an
	// advisory by name, which blocks only the keys that it affects: "roca", "ysa-2024-03".
	BlockedFirmware []string `toml:"blocked_firmware" json:"blocked_firmware,omitempty"`
	// CardSerialsFile adds to CardSerials those of a list, as package cardserials reads it.
	CardSerialsFile string `toml:"card_serials_file" json:"-"`
	// DeniedSerials are cards not let in, whatever else holds; the file adds to them.
	DeniedSerials     []uint32 `toml:"denied_serials" json:"-"`
	DeniedSerialsFile string   `toml:"denied_serials_file" json:"-"`
}

// restricts reports whether c lets in fewer than all cards.
func (c *DeviceConfig) restricts() bool {
	return c.CSPN || c.CardSerialsFile != "" || len(c.BlockedFirmware) > 0 || len(c.DeniedSerials) > 0 || c.DeniedSerialsFile != ""
}

// Devices are a DeviceConfig, checked, with its files read.
type Devices struct {
	CSPN    bool
	Blocked []FirmwareBlock
	// allowed and denied are in order; allowed is nil for all.
	allowed, denied []uint32
}

// newDevices checks c; serials are those let in by name.
func newDevices(c DeviceConfig, serials []uint32) (Devices, error) {
	d := Devices{CSPN: c.CSPN}
	var errs []error
	for _, text := range c.BlockedFirmware {
		b, err := ParseFirmwareBlock(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("blocked_firmware: %w", err))
		}
		d.Blocked = append(d.Blocked, b)
	}
	var err error
	if d.allowed, err = serialSet(serials, c.CardSerialsFile); err != nil {
		errs = append(errs, fmt.Errorf("card_serials_file: %w", err))
	}
	if d.denied, err = serialSet(c.DeniedSerials, c.DeniedSerialsFile); err != nil {
		errs = append(errs, fmt.Errorf("denied_serials_file: %w", err))
	}
	if slices.Contains(c.DeniedSerials, 0) {
		errs = append(errs, errors.New("denied_serials: 0 is no card's serial number"))
	}
	return d, errors.Join(errs...)
}

// serialSet is what the configuration lists and what the file does, in order.
func serialSet(listed []uint32, file string) ([]uint32, error) {
	set := slices.Clone(listed)
	if file != "" {
		l, err := cardserials.ReadFile(file)
		if err != nil {
			return nil, err
		}
		set = append(set, l.Serials...)
	}
	slices.Sort(set)
	return slices.Compact(set), nil
}

func has(set []uint32, serial uint32) bool {
	_, ok := slices.BinarySearch(set, serial)
	return ok
}

// A FirmwareBlock is firmware that is not let in.
type FirmwareBlock struct {
	// From and To are the first and last version; zero where Advisory says which.
	From, To piv.Version
	Advisory *piv.Advisory
}

// ParseFirmwareBlock reads an advisory's name, a version, or two with a hyphen between.
func ParseFirmwareBlock(text string) (FirmwareBlock, error) {
	if a, ok := piv.AdvisoryNamed(text); ok {
		return FirmwareBlock{Advisory: &a}, nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	from, err := piv.ParseVersion(first)
	to, err2 := piv.ParseVersion(last)
	switch {
	case err != nil || err2 != nil:
		return FirmwareBlock{}, fmt.Errorf("%q is neither a version like 5.4.2, nor a range like 4.2.0-4.3.4, nor one of %s", text, advisoryNames())
	case to.Less(from):
		return FirmwareBlock{}, fmt.Errorf("%q is a range from newer to older", text)
	}
	return FirmwareBlock{From: from, To: to}, nil
}

func advisoryNames() string {
	var names []string
	for _, a := range piv.Advisories() {
		names = append(names, a.Name)
	}
	return strings.Join(names, ", ")
}

// String is what ParseFirmwareBlock reads.
func (b FirmwareBlock) String() string {
	switch {
	case b.Advisory != nil:
		return b.Advisory.Name
	case b.From == b.To:
		return b.From.String()
	}
	return b.From.String() + "-" + b.To.String()
}

// blocks reports whether a key of that algorithm on that card is not let in.
func (b FirmwareBlock) blocks(s *piv.Statement, a piv.Algorithm) bool {
	if b.Advisory != nil {
		return b.Advisory.Affects(s.Firmware, s.FormFactor, a)
	}
	return !s.Firmware.Less(b.From) && !b.To.Less(s.Firmware)
}
