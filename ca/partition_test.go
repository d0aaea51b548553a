package ca_test

import (
	"crypto/x509/pkix"
	"strings"
	"testing"

	"signet/ca"
	"signet/ca/catest"
)

// TestPartitions: a certificate names the CRL of its partition, and partitions fill alike.
func TestPartitions(t *testing.T) {
	h := catest.New(t)
	whole := h.URLs.CRL
	if c := h.Issue(t, "alice", catest.Key(t), now()); c.Partition != 0 {
		t.Errorf("partition %d where there is none", c.Partition)
	}
	const partitions, certificates = 4, 400
	for n := range partitions {
		h.URLs.Partitions = append(h.URLs.Partitions, ca.Partition{
			Number: n + 7, URL: ca.PartitionURL(catest.URL, h.Issuer.ID(), n+7),
		})
	}
	key, in := catest.Key(t), map[int]int{}
	for range certificates {
		c := h.Issue(t, "alice", key, now())
		x, err := c.X509()
		if err != nil {
			t.Fatal(err)
		}
		want := ca.PartitionURL(catest.URL, h.Issuer.ID(), c.Partition)
		if len(x.CRLDistributionPoints) != 1 || x.CRLDistributionPoints[0] != want {
			t.Fatalf("partition %d, distribution points %q", c.Partition, x.CRLDistributionPoints)
		}
		in[c.Partition]++
	}
	for n := 7; n < 7+partitions; n++ {
		if in[n] < certificates/partitions/2 || in[n] > certificates/partitions*2 {
			t.Errorf("partitions fill like %v", in)
			break
		}
	}
	if h.URLs.CRL != whole || !strings.HasSuffix(whole, h.Issuer.ID()+".crl") {
		t.Errorf("the complete CRL's URL is %s now", h.URLs.CRL)
	}
}

func TestPartitionsThatCantBe(t *testing.T) {
	h := catest.New(t)
	for _, bad := range []ca.Partition{{Number: 0, URL: "http://ca.example/crl/1.crl"}, {Number: 1, URL: "https://ca.example/crl/1.crl"}, {Number: 1}} {
		urls := h.URLs
		urls.Partitions = []ca.Partition{bad}
		_, err := h.Issuer.Issue(t.Context(), catest.Profile(t), ca.Request{
			Person: ca.Person{Name: "alice"}, CSR: catest.CSR(t, catest.Key(t), pkix.Name{}), Serial: h.Serial(t),
		}, urls, now())
		if err == nil {
			t.Errorf("%+v stands in a certificate", bad)
		}
	}
}
