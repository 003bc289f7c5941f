import { CapabilityCode } from '../iana.ts';
import { emptyCapability } from './codec.ts';

/** Enhanced Route Refresh (code 70), RFC 7313 §3.1. No value. */
export const enhancedRouteRefreshCapability = emptyCapability(
  'enhanced-route-refresh',
  CapabilityCode.EnhancedRouteRefresh,
);
