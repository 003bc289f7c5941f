import { testWith } from './suite.ts';

testWith('FRR');
