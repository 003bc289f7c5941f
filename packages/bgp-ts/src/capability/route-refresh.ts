import { CapabilityCode } from '../iana.ts';
import { emptyCapability } from './codec.ts';

/** Route Refresh (code 2), RFC 2918 §2. No value. */
export const routeRefreshCapability = emptyCapability('route-refresh', CapabilityCode.RouteRefresh);
