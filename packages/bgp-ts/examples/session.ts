import { connect, createServer, type Socket } from 'node:net';
import {
  type BgpMessage,
  CeaseSubcode,
  cease,
  decodeMessage,
  defaultContext,
  describeNotification,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeUpdate,
  Families,
  type FsmAction,
  type FsmContext,
  type FsmEvent,
  type FsmState,
  formatPrefix,
  HEADER_OCTETS,
  ip,
  prefix,
  splitFrames,
  transition,
} from 'bgp-ts';

const HOLD_SECONDS = 9;
const families = [Families['ipv4-unicast'], Families['ipv6-unicast']];

/** One end of a session: the machine says what to do, this does it with a socket and timers. */
class Speaker {
  readonly #asn: number;
  readonly #onUp: (speaker: Speaker) => void;
  #state: FsmState = 'Idle';
  #context: FsmContext = { passive: false, holdSeconds: 0, keepaliveSeconds: 0, sendHoldSeconds: 0 };
  #socket: Socket | undefined;
  #received: Uint8Array = new Uint8Array(0);
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(asn: number, onUp: (speaker: Speaker) => void = () => {}) {
    this.#asn = asn;
    this.#onUp = onUp;
  }

  /** Calls the other side. */
  call(port: number): void {
    this.event({ type: 'ManualStart' });
    this.#use(connect(port, '127.0.0.1', () => this.event({ type: 'TcpConnectionConfirmed' })));
  }

  /** Takes a call. */
  answer(socket: Socket): void {
    this.event({ type: 'ManualStartPassive' });
    this.#use(socket);
    this.event({ type: 'TcpConnectionRequestAcked' });
  }

  event(event: FsmEvent): void {
    const { next, actions } = transition(this.#state, event, this.#context);
    if (next !== this.#state) console.log(`AS${this.#asn}: ${event.type}: ${this.#state} to ${next}`);
    this.#state = next;
    for (const action of actions) this.#perform(action);
  }

  send(octets: Uint8Array): void {
    this.#socket?.write(octets);
  }

  #perform(action: FsmAction): void {
    switch (action.type) {
      case 'send-open': {
        const capabilities = families.map(({ afi, safi }) => ({ type: 'multiprotocol', afi, safi }) as const);
        const own = { type: 'four-octet-as', asn: this.#asn } as const;
        const routerId = ip('127.0.0.1');
        const open = { version: 4, myAs: this.#asn, holdSeconds: HOLD_SECONDS, routerId };
        this.send(encodeOpen({ ...open, capabilities: [...capabilities, own] }));
        break;
      }
      case 'send-keepalive':
        this.send(encodeKeepalive());
        break;
      case 'send-notification':
        this.send(encodeNotification(action.notification));
        break;
      case 'start-timer': {
        const expired = {
          hold: 'HoldTimerExpires',
          keepalive: 'KeepaliveTimerExpires',
          'send-hold': 'SendHoldTimerExpires',
        };
        const type = expired[action.timer] as 'HoldTimerExpires' | 'KeepaliveTimerExpires' | 'SendHoldTimerExpires';
        clearTimeout(this.#timers.get(action.timer));
        this.#timers.set(
          action.timer,
          setTimeout(() => this.event({ type }), action.seconds * 1000),
        );
        break;
      }
      case 'stop-timer':
        clearTimeout(this.#timers.get(action.timer));
        break;
      case 'drop':
        this.#socket?.end();
        break;
      case 'session-up':
        this.#onUp(this);
        break;
      default: // connecting again, counting failures and the routes themselves are left out here
        break;
    }
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    socket.on('data', (octets) => this.#receive(octets));
    socket.on('error', () => this.event({ type: 'TcpConnectionFails' }));
    socket.on('close', () => this.event({ type: 'TcpConnectionFails' }));
  }

  #receive(octets: Uint8Array): void {
    const stream = Uint8Array.of(...this.#received, ...octets);
    const frames = splitFrames(stream, 4096);
    if (!frames.ok) {
      this.event({ type: 'HeaderError', notification: frames.error });
      return;
    }
    this.#received = stream.slice(frames.value.consumed);
    for (const frame of frames.value.messages) {
      const type = frame[HEADER_OCTETS - 1] ?? 0;
      const message = decodeMessage(type, frame.subarray(HEADER_OCTETS), defaultContext);
      if (message.ok) this.#message(message.value);
      else this.event({ type: type === 1 ? 'OpenMessageError' : 'UpdateMessageError', notification: message.error });
    }
  }

  #message(message: BgpMessage): void {
    switch (message.type) {
      case 'open': {
        const holdSeconds = Math.min(HOLD_SECONDS, message.open.holdSeconds);
        this.#context = { ...this.#context, holdSeconds, keepaliveSeconds: holdSeconds / 3 };
        this.event({ type: 'OpenReceived', holdSeconds, keepaliveSeconds: holdSeconds / 3 });
        break;
      }
      case 'keepalive':
        this.event({ type: 'KeepaliveReceived' });
        break;
      case 'update':
        for (const { prefix } of message.update.nlri) console.log(`AS${this.#asn}: heard of ${formatPrefix(prefix)}`);
        this.event({ type: 'UpdateReceived' });
        if (message.update.nlri.length > 0) {
          this.event({ type: 'ManualStop', notification: cease(CeaseSubcode.AdministrativeShutdown, 'that is all') });
        }
        break;
      case 'notification':
        console.log(`AS${this.#asn}: told ${describeNotification(message.notification)}`);
        this.event({ type: 'NotificationReceived' });
        break;
      case 'route-refresh':
        this.event({ type: 'RouteRefreshReceived' });
        break;
    }
  }
}

const caller = new Speaker(64512, (speaker) => {
  const attributes = { origin: 0, asPath: [{ type: 'sequence', asns: [64512] }], nextHop: ip('192.0.2.1') } as const;
  speaker.send(encodeUpdate({ attributes, nlri: [{ prefix: prefix('198.51.100.0/24') }] }, defaultContext));
});
const server = createServer((socket) => {
  server.close();
  new Speaker(64513).answer(socket);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') caller.call(address.port);
});
