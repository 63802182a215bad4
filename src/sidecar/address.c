#include "sidecar/sidecar.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool sidecar_address(const struct sockaddr_storage *from, uint8_t addr[16], uint16_t *port)
{
    if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        memcpy(addr, &in6.sin6_addr, 16);
        *port = ntohs(in6.sin6_port);
        return true;
    }
    if (from->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(addr, mapped, sizeof mapped);
        memcpy(addr + sizeof mapped, &in.sin_addr, 4);
        *port = ntohs(in.sin_port);
        return true;
    }
    return false;
}

size_t sidecar_address_text(const uint8_t addr[16], char out[46])
{
    bool v4 = memcmp(addr, mapped, sizeof mapped) == 0;
    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + sizeof mapped : addr, out, 46);
    return strlen(out);
}
