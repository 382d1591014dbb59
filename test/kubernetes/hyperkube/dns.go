// The name server of the test cluster: <service>.<namespace>.svc.cluster.local, A and AAAA. CoreDNS
// would take two minutes more to compile and answer no other query of these tests.
package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/dns/dnsmessage"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	serviceZone = ".svc.cluster.local."
	timeToLive  = 5
	maxMessage  = 1232
)

func newNameServerCommand() *cobra.Command {
	var kubeconfig, address string
	command := &cobra.Command{
		Use:  "cluster-dns",
		RunE: func(*cobra.Command, []string) error { return serveNames(kubeconfig, address) },
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "who asks the API server")
	command.Flags().StringVar(&address, "listen", "", "address and port, UDP")
	return command
}

func serveNames(kubeconfig, address string) error {
	services, err := watchServices(kubeconfig)
	if err != nil {
		return fmt.Errorf("watch the services: %w", err)
	}
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", address, err)
	}
	buffer := make([]byte, maxMessage)
	for {
		length, client, err := socket.ReadFrom(buffer)
		if err != nil {
			return fmt.Errorf("receive on %s: %w", address, err)
		}
		if answer, err := answerTo(services, buffer[:length]); err == nil {
			_, _ = socket.WriteTo(answer, client) // The client repeats a lost query.
		}
	}
}

func watchServices(kubeconfig string) (listers.ServiceLister, error) {
	configuration, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(configuration)
	if err != nil {
		return nil, err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	services := factory.Core().V1().Services().Lister()
	factory.Start(nil)
	factory.WaitForCacheSync(nil)
	return services, nil
}

func answerTo(services listers.ServiceLister, query []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addresses, known := addressesOf(services, strings.ToLower(question.Name.String()))
	reply := dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true,
		RecursionDesired: header.RecursionDesired, RecursionAvailable: true}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	return pack(reply, question, addresses)
}

func addressesOf(services listers.ServiceLister, name string) ([]netip.Addr, bool) {
	inZone, found := strings.CutSuffix(name, serviceZone)
	serviceName, namespace, dotted := strings.Cut(inZone, ".")
	if !found || !dotted {
		return nil, false
	}
	service, err := services.Services(namespace).Get(serviceName)
	if err != nil {
		return nil, false
	}
	var addresses []netip.Addr
	for _, text := range service.Spec.ClusterIPs {
		if address, err := netip.ParseAddr(text); err == nil { // A headless service has "None".
			addresses = append(addresses, address)
		}
	}
	return addresses, true
}

func pack(header dnsmessage.Header, question dnsmessage.Question, addresses []netip.Addr) ([]byte, error) {
	message := dnsmessage.Message{Header: header, Questions: []dnsmessage.Question{question}}
	record := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: timeToLive}
	for _, address := range addresses {
		switch {
		case address.Is4() && question.Type == dnsmessage.TypeA:
			message.Answers = append(message.Answers,
				dnsmessage.Resource{Header: record, Body: &dnsmessage.AResource{A: address.As4()}})
		case address.Is6() && question.Type == dnsmessage.TypeAAAA:
			message.Answers = append(message.Answers,
				dnsmessage.Resource{Header: record, Body: &dnsmessage.AAAAResource{AAAA: address.As16()}})
		}
	}
	return message.Pack()
}
