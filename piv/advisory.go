package piv

import "strings"

// An Advisory is a fault that the maker published of some cards.
type Advisory struct {
	Name string // as configurations name it: "roca"
	ID   string // the maker's: "YSA-2017-01"
	// Fault is a sentence about a key that it affects.
	Fault string
	URL   string
	// affects tells by firmware, form factor and algorithm.
	affects func(v Version, formFactor byte, a Algorithm) bool
}

// Affects reports whether a key of algorithm a, made by a card of this firmware
// and form factor, has the fault.
func (a Advisory) Affects(v Version, formFactor byte, algorithm Algorithm) bool {
	return a.affects(v, formFactor, algorithm)
}

// Advisories are those about keys of the PIV application that can be told from a
// statement.
func Advisories() []Advisory {
	return []Advisory{{
		Name: "roca", ID: "YSA-2017-01", URL: "https://www.yubico.com/support/security-advisories/ysa-2017-01/",
		Fault:   "RSA keys made by firmware 4.2.0 to 4.3.4 can be factored (CVE-2017-15361)",
		affects: madeWeakRSA,
	}, {
		Name: "ysa-2024-03", ID: "YSA-2024-03", URL: "https://www.yubico.com/support/security-advisories/ysa-2024-03/",
		Fault: "whoever has the card, and the equipment, can get elliptic-curve keys out of firmware older than 5.7.0, " +
			"or than 5.7.2 on a YubiKey Bio (CVE-2024-45678)",
		affects: leaksCurveKeys,
	}}
}

// AdvisoryNamed finds one by its name.
func AdvisoryNamed(name string) (Advisory, bool) {
	for _, a := range Advisories() {
		if a.Name == name {
			return a, true
		}
	}
	return Advisory{}, false
}

func madeWeakRSA(v Version, _ byte, a Algorithm) bool {
	return strings.HasPrefix(string(a), "RSA-") && !v.Less(Version{4, 2, 0}) && v.Less(Version{4, 3, 5})
}

// leaksCurveKeys is of Infineon's library, which all YubiKeys had before 5.7.
func leaksCurveKeys(v Version, formFactor byte, a Algorithm) bool {
	fixed := Version{5, 7, 0}
	if bio := formFactor == 6 || formFactor == 7; bio {
		fixed = Version{5, 7, 2}
	}
	return a != "" && !strings.HasPrefix(string(a), "RSA-") && v.Less(fixed)
}
